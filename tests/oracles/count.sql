SELECT asked.customer_id, asked.cutoff, count(visible.at) AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
