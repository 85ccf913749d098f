-- Of rows that share their instant the one that became known last; then the last in the order of the columns.
WITH newest AS (
  SELECT *, row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS place FROM visible
  WHERE visible.{column} IS NOT NULL
)
SELECT asked.customer_id, asked.cutoff, newest.{column} AS answer
FROM asked LEFT JOIN newest ON newest.customer_id = asked.customer_id AND newest.cutoff = asked.cutoff AND place = 1
