SELECT asked.customer_id, asked.cutoff, count(DISTINCT CAST(make_timestamp(visible.at) AS DATE)) AS answer
FROM asked LEFT JOIN visible USING (customer_id, cutoff)
GROUP BY asked.customer_id, asked.cutoff
