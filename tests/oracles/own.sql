SELECT asked.customer_id, asked.cutoff, events.* EXCLUDE (customer_id), events.customer_id AS member
FROM asked JOIN {events} AS events USING (customer_id)
