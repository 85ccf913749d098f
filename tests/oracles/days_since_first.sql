SELECT asked.customer_id, asked.cutoff, (asked.cutoff - min(visible.at)) / 86400000000 AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
