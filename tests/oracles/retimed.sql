(SELECT e.* EXCLUDE ("at"), e.at AS own_at, {at} AS "at" FROM {table} AS e WHERE {at} IS NOT NULL)
