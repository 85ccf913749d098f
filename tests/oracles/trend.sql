-- Events in the newer half of the window count for, those in the older half against.
WITH halves AS (
  SELECT
    customer_id,
    cutoff,
    sum(CASE WHEN visible.at >= cutoff - {window} // 2 THEN {amount} ELSE 0 END) AS newer,
    sum(CASE WHEN visible.at < cutoff - {window} // 2 THEN {amount} ELSE 0 END) AS older
  FROM visible
  GROUP BY ALL
)
SELECT
  asked.customer_id,
  asked.cutoff,
  CASE WHEN greatest(newer, 0) + greatest(older, 0) > 0
      THEN (greatest(newer, 0) - greatest(older, 0)) / (greatest(newer, 0) + greatest(older, 0)) END AS answer
FROM asked LEFT JOIN halves USING (customer_id, cutoff)
