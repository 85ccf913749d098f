-- The window and the same window a year earlier; not known before the earlier one is covered.
WITH seasons AS (
  SELECT
    customer_id,
    cutoff,
    min(visible.at) AS first_at,
    sum(CASE WHEN visible.at >= cutoff - {window} THEN {amount} ELSE 0 END) AS now,
    sum(CASE WHEN visible.at >= cutoff - {year} - {window} AND visible.at < cutoff - {year} THEN {amount} ELSE 0 END)
      AS earlier
  FROM ever AS visible GROUP BY customer_id, cutoff
)
SELECT
  asked.customer_id,
  asked.cutoff,
  CASE
    WHEN first_at <= asked.cutoff - {year} - {window} AND greatest(now, 0) + greatest(earlier, 0) > 0
      THEN (greatest(now, 0) - greatest(earlier, 0)) / (greatest(now, 0) + greatest(earlier, 0))
  END AS answer
FROM asked LEFT JOIN seasons USING (customer_id, cutoff)
