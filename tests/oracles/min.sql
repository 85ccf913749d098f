SELECT asked.customer_id, asked.cutoff, min(visible.{column}) AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
