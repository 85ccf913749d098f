WITH newest AS (
  SELECT *, row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS place FROM visible
  WHERE visible.{column} < visible.cutoff
)
SELECT
  asked.customer_id,
  asked.cutoff,
  (asked.cutoff - newest.{column}) / 86400000000 AS answer
FROM asked LEFT JOIN newest ON newest.customer_id = asked.customer_id AND newest.cutoff = asked.cutoff AND place = 1
