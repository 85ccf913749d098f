WITH counted AS (
  SELECT customer_id, cutoff, count(*) AS times FROM visible
  WHERE {column} IS NOT NULL GROUP BY customer_id, cutoff, {column}
)
SELECT asked.customer_id, asked.cutoff, sum(times * times) / (sum(times) * sum(times)) AS answer
FROM asked LEFT JOIN counted USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
