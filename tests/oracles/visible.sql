-- The events that a feature may look at, for every customer and cutoff: they happened before the cutoff,
-- inside the window, they were known before the cutoff, and they pass the conditions.
SELECT asked.customer_id, asked.cutoff, events.* EXCLUDE (customer_id)
FROM asked JOIN {table} AS events ON events.customer_id = asked.customer_id
WHERE events.at < asked.cutoff
  AND events.known_at < asked.cutoff
  AND ({window} IS NULL OR events.at >= asked.cutoff - {window})
  AND {conditions}
