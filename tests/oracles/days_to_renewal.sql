WITH newest AS (
  SELECT *, row_number() OVER (PARTITION BY customer_id, cutoff ORDER BY {newest_first}) AS place FROM visible
),
periods AS (
  SELECT
    customer_id,
    cutoff,
    (cutoff - newest.at) / 86400000000 AS ran,
    CASE lower({column})
      WHEN '30d' THEN 30
      WHEN '2 weeks' THEN 14
      WHEN 'month' THEN 30.4375
      WHEN 'monthly' THEN 30.4375
      WHEN 'annual' THEN 365.25
    END::DOUBLE AS lasts
  FROM newest WHERE place = 1
)
SELECT asked.customer_id, asked.cutoff, (1 + floor(ran / lasts)) * lasts - ran AS answer
FROM asked LEFT JOIN periods USING (customer_id, cutoff)
