-- Left: no purchase in the outcome window that was known before the training.
SELECT
  asked.customer_id,
  asked.cutoff,
  CASE WHEN EXISTS (
    SELECT * FROM purchases AS p
    WHERE p.customer_id = asked.customer_id
      AND p.amount >= 0
      AND p.at >= asked.cutoff + {gap}
      AND p.at < asked.cutoff + {gap} + {horizon}
      AND p.known_at < {until}
  ) THEN 0 ELSE 1 END AS answer
FROM asked
