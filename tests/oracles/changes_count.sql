-- Each is compared with the one before it among those that fill the column, in the window or not.
WITH filled AS (
  SELECT
    visible.*,
    lead(visible.{column}) OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS before
  FROM ever AS visible WHERE visible.{column} IS NOT NULL
)
SELECT asked.customer_id, asked.cutoff, count(filled.at) AS answer
FROM asked LEFT JOIN filled
  ON filled.customer_id = asked.customer_id
  AND filled.cutoff = asked.cutoff
  AND filled.{column} <> filled.before
  AND ({window} IS NULL OR filled.at >= asked.cutoff - {window})
GROUP BY asked.customer_id, asked.cutoff
