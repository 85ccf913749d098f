-- The events that a feature may look at, for every customer and cutoff: they happened before the cutoff,
-- inside the window, they were known before the cutoff, and they pass the conditions.
SELECT * FROM ({candidates}) AS events
WHERE events.at < cutoff
  AND events.known_at < cutoff
  AND ({window} IS NULL OR events.at >= cutoff - {window})
  AND {conditions}
