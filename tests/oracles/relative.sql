-- Of the visible events those that pass conditions on the others and on the cutoff; then those of the window.
SELECT * FROM (SELECT visible.*, {conditions} AS passes FROM ({visible}) AS visible) AS compared
WHERE passes AND ({window} IS NULL OR compared.at >= cutoff - {window})
