SELECT
  asked.customer_id,
  asked.cutoff,
  (SELECT count(*) FROM visible AS v WHERE v.customer_id = asked.customer_id AND v.cutoff = asked.cutoff)
  / nullif((SELECT count(*) FROM other AS w WHERE w.customer_id = asked.customer_id AND w.cutoff = asked.cutoff), 0)
  AS answer
FROM asked
