/* Names of OpenTelemetry as Prometheus has them: its translation strategy UnderscoreEscapingWithSuffixes, which is what its OTLP endpoint does when nothing is configured. The rules are those of
 * github.com/prometheus/otlptranslator and of OpenTelemetry's "Prometheus and OpenMetrics Compatibility", with two deviations towards the latter: what the name already has of a compound unit is not
 * said again (requests_per_second of unit 1/s), and TiBy are tebibytes. Private to ingest/. */
#ifndef MOONGATE_INGEST_OTLP_NAME_H
#define MOONGATE_INGEST_OTLP_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum otlp_name_kind { OTLP_NAME_PLAIN, OTLP_NAME_GAUGE, OTLP_NAME_COUNTER };

/* The bytes that a metric's name, and its unit's, may take. */
size_t otlp_metric_name_max(struct slice name, struct slice unit);

/* Writes the name of a metric: runs of what is neither letter, digit nor ':' become one '_', the unit follows ("s" → _seconds, "By/s" → _bytes_per_second, "{request}" → nothing, others as they are)
 * unless it is in the name, then _total for a counter, _ratio for a gauge of unit "1"; '_' before a digit. Returns the length, 0: nothing is left of the name. */
size_t otlp_metric_name(char *to, struct slice name, struct slice unit, enum otlp_name_kind kind);

/* Writes the unit as it is at the end of names: "seconds", "bytes_per_second". Returns the length. Room as for a name. */
size_t otlp_unit_name(char *to, struct slice unit);

/* Is it a label's name as it stands? */
bool otlp_label_name_fine(struct slice key);

/* Writes the name of a label: each character that is neither ASCII letter nor digit becomes '_'; "key_" before a digit, "key" before a single '_'. Needs key.len + 4 bytes. Returns the length, 0: nothing is
 * left of the name. */
size_t otlp_label_name(char *to, struct slice key);

#endif
