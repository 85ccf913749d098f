WITH begun AS (SELECT customer_id, cutoff, min(other.at) AS first_at FROM other GROUP BY customer_id, cutoff),
newest AS (
  SELECT *, row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS place FROM visible
  WHERE visible.{column} IS NOT NULL
),
back_then AS (
  SELECT visible.*, row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS place
  FROM visible JOIN begun USING (customer_id, cutoff)
  WHERE visible.at <= begun.first_at AND visible.{column} IS NOT NULL
)
SELECT asked.customer_id, asked.cutoff, newest.{column} - back_then.{column} AS answer
FROM asked
LEFT JOIN newest ON newest.customer_id = asked.customer_id AND newest.cutoff = asked.cutoff AND newest.place = 1
LEFT JOIN back_then
  ON back_then.customer_id = asked.customer_id AND back_then.cutoff = asked.cutoff AND back_then.place = 1
