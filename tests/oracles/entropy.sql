WITH counted AS (
  SELECT customer_id, cutoff, count(*) AS times FROM visible
  WHERE {column} IS NOT NULL GROUP BY customer_id, cutoff, {column}
),
shares AS (
  SELECT customer_id, cutoff, times / sum(times) OVER (PARTITION BY customer_id, cutoff) AS share FROM counted
)
SELECT asked.customer_id, asked.cutoff, -sum(share * ln(share)) AS answer
FROM asked LEFT JOIN shares USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
