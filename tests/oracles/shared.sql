-- The rows of the customer's last known region or plan, and those of none.
SELECT mine.customer_id, mine.cutoff, events.*
FROM {groups} AS mine JOIN {events} AS events ON events.{key} IS NULL OR events.{key} = mine.answer
