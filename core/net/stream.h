/* A reply's body that is made while it is sent: parts of it, compressed and framed as they come. */
#ifndef MOONGATE_NET_STREAM_H
#define MOONGATE_NET_STREAM_H

#include "net/net.h"

struct stream;

/* For a reply with `produce`. `chunked`: in chunks; else as it is, and its end is that of the connection. NULL when memory is out. */
struct stream *stream_new(const struct http_reply *reply, bool zipped, bool chunked);
void stream_free(struct stream *s);

/* Appends what goes over the wire next, at least a byte. 1: there is more; 0: that was all; -ENOMEM: the body cannot be finished. */
int stream_next(struct stream *s, struct buf *out);

/* Memory that the stream and its owner hold. */
size_t stream_bytes(const struct stream *s);

#endif
