SELECT asked.customer_id, asked.cutoff, coalesce(sum(visible.{column}), 0) AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
