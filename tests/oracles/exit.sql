-- Left: an exit in the outcome window, or the last contract ended in it and none runs when it is over.
WITH contracts AS (
  SELECT asked.customer_id, asked.cutoff, s.at AS started_at, s.ended_at
  FROM asked JOIN subscriptions AS s USING (customer_id)
  WHERE s.known_at < {until} AND s.at < asked.cutoff + {gap} + {horizon}
),
last_contract AS (
  SELECT
    customer_id,
    cutoff,
    bool_or(ended_at IS NULL OR ended_at >= cutoff + {gap} + {horizon}) AS runs,
    max(ended_at) AS ended_at
  FROM contracts GROUP BY customer_id, cutoff
)
SELECT
  asked.customer_id,
  asked.cutoff,
  CASE
    WHEN {has_exits} AND EXISTS (
      SELECT * FROM exits AS e
      WHERE e.customer_id = asked.customer_id
        AND e.at >= asked.cutoff + {gap}
        AND e.at < asked.cutoff + {gap} + {horizon}
        AND e.known_at < {until}
    ) THEN 1
    WHEN {has_ends} AND EXISTS (
      SELECT * FROM last_contract AS l
      WHERE l.customer_id = asked.customer_id
        AND l.cutoff = asked.cutoff
        AND NOT l.runs
        AND l.ended_at >= asked.cutoff + {gap}
    ) THEN 1
    ELSE 0
  END AS answer
FROM asked
