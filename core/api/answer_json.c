#include "api/answer_json.h"

#include <math.h>

#include "record/labels.h"

void put_labels(struct buf *out, struct slice labels)
{
	char between = '{';

	for (struct label l; labels_next(&labels, &l); between = ',') {
		buf_byte(out, between);
		buf_json_string(out, l.name);
		buf_byte(out, ':');
		buf_json_string(out, l.value);
	}
	buf_str(out, between == '{' ? "{}" : "}");
}

void put_value_text(struct buf *out, double v)
{
	buf_byte(out, '"');
	if (isfinite(v))
		buf_json_number(out, v);
	else
		buf_number(out, v);
	buf_byte(out, '"');
}

void put_time(struct buf *out, int64_t ms)
{
	uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

	buf_str(out, ms < 0 ? "-" : "");
	buf_int(out, (int64_t)(size / 1000));
	if (size % 1000 != 0)
		buf_printf(out, ".%03u", (unsigned)(size % 1000));
}
