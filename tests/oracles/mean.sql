SELECT asked.customer_id, asked.cutoff, avg(visible.{column}) AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
