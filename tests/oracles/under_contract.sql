-- Eligible for the question who leaves: a contract has started, more have started than have ended, and nobody
-- has left since the newest start; all as it was known at the cutoff.
SELECT
  asked.customer_id,
  asked.cutoff,
  CASE WHEN (
    SELECT count(*) FILTER (NOT {has_ends} OR s.ended_at IS NULL OR s.ended_at >= asked.cutoff)
    FROM subscriptions AS s
    WHERE s.customer_id = asked.customer_id AND s.at < asked.cutoff AND s.known_at < asked.cutoff
  ) > 0 AND NOT ({has_exits} AND EXISTS (
    SELECT * FROM exits AS e
    WHERE e.customer_id = asked.customer_id AND e.at < asked.cutoff AND e.known_at < asked.cutoff
      AND e.at > (
        SELECT max(s.at) FROM subscriptions AS s
        WHERE s.customer_id = asked.customer_id AND s.at < asked.cutoff AND s.known_at < asked.cutoff
      )
  )) THEN 1 ELSE 0 END AS answer
FROM asked
