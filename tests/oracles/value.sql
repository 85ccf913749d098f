-- Margin of every line in the outcome window: amount - cost where the cost is known, else a share of it.
SELECT
  asked.customer_id,
  asked.cutoff,
  coalesce(sum(CASE WHEN p.cost IS NULL THEN p.amount * {margin} ELSE p.amount - p.cost END), 0)
  * power(1 + {discount_rate}, -({gap} + {horizon} / 2) / 86400000000 / 365) / 100 AS answer
FROM asked LEFT JOIN purchases AS p
  ON p.customer_id = asked.customer_id
  AND p.at >= asked.cutoff + {gap}
  AND p.at < asked.cutoff + {gap} + {horizon}
  AND p.known_at < {until}
GROUP BY asked.customer_id, asked.cutoff
