/* Answers of OTLP/HTTP, in the encoding of the request: what its three signals have in common. Protocol Buffers or JSON of opentelemetry-proto's Export…ServiceResponse and of google.rpc.Status. */
#ifndef MOONGATE_API_OTLP_REPLY_H
#define MOONGATE_API_OTLP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "net/net.h"

enum otlp_encoding { OTLP_NEITHER, OTLP_PROTOBUF, OTLP_JSON };

/* What the request's Content-Type says: application/x-protobuf or application/json. */
enum otlp_encoding otlp_encoding_of(const struct http_request *req);

/* Appends an Export…ServiceResponse: empty, or, where something was refused or is to be said, with a partial success of so many. `rejected_name` is the JSON name of its first field: "rejectedDataPoints",
 * "rejectedSpans", "rejectedLogRecords". */
void otlp_write_response(struct buf *out, enum otlp_encoding encoding, const char *rejected_name, uint64_t rejected,
                         struct slice message);

/* Appends the google.rpc.Status for an HTTP status. */
void otlp_write_status(struct buf *out, enum otlp_encoding encoding, int status, struct slice message);

/* Answers 200 with the response above; 503 where there is no memory for it. The message is UTF-8. Any thread. */
void otlp_reply_taken(struct http_request *req, const char *rejected_name, uint64_t rejected, struct slice message);

/* Answers another status with a Status. Senders try again after 429, 502, 503 and 504 alone. `retry_after_s` > 0: when. Of a request that is neither Protocol Buffers nor JSON the answer is JSON. Any thread. */
void otlp_reply_error(struct http_request *req, int status, int retry_after_s, struct slice message);

/* Answers 415. */
void otlp_reply_unsupported(struct http_request *req);

#endif
