WITH ranked AS (
  SELECT
    customer_id,
    cutoff,
    {column} AS favourite,
    row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY count(*) DESC, {column}) AS place
  FROM visible WHERE {column} IS NOT NULL GROUP BY customer_id, cutoff, {column}
)
SELECT asked.customer_id, asked.cutoff, favourite AS answer
FROM asked
LEFT JOIN ranked ON ranked.customer_id = asked.customer_id AND ranked.cutoff = asked.cutoff AND place = 1
