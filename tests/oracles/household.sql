-- Whoever was last known to live at the same place; a customer of no known household is one of their own.
SELECT mine.customer_id, mine.cutoff, events.* EXCLUDE (customer_id), events.customer_id AS member
FROM households AS mine
JOIN households AS theirs
  ON theirs.cutoff = mine.cutoff AND (theirs.answer = mine.answer OR theirs.customer_id = mine.customer_id)
JOIN {events} AS events ON events.customer_id = theirs.customer_id
