WITH days AS (SELECT DISTINCT customer_id, cutoff, CAST(make_timestamp(visible.at) AS DATE) AS day FROM visible),
gaps AS (
  SELECT customer_id, cutoff, day - lag(day) OVER (PARTITION BY customer_id, cutoff ORDER BY day) AS gap FROM days
)
SELECT asked.customer_id, asked.cutoff, avg(gaps.gap) AS answer
FROM asked LEFT JOIN gaps USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
