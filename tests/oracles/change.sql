WITH filled AS (
  SELECT
    customer_id,
    cutoff,
    first(visible.{column} ORDER BY {newest_first}) AS newest,
    last(visible.{column} ORDER BY {newest_first}) AS oldest
  FROM visible WHERE visible.{column} IS NOT NULL GROUP BY customer_id, cutoff
)
SELECT asked.customer_id, asked.cutoff, newest - oldest AS answer
FROM asked LEFT JOIN filled USING (customer_id, cutoff)
