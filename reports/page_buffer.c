#include "reports/page_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static bool has_room(struct wm_page_buffer *b, size_t bytes)
{
    if (b->lost || b->cap - b->bytes >= bytes)
        return !b->lost;
    size_t cap = 2 * (b->bytes + bytes);
    char *grown = realloc(b->text, cap);
    b->lost = grown == NULL;
    if (b->lost)
        return false;
    b->text = grown;
    b->cap = cap;
    return true;
}

void wm_page_append(struct wm_page_buffer *b, const char *text, size_t bytes)
{
    if (bytes == 0 || !has_room(b, bytes))
        return;
    memcpy(b->text + b->bytes, text, bytes);
    b->bytes += bytes;
}

void wm_page_append_text(struct wm_page_buffer *b, const char *text)
{
    wm_page_append(b, text, strlen(text));
}

void wm_page_appendf(struct wm_page_buffer *b, const char *format, ...)
{
    char text[101];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    wm_page_append_text(b, text);
}

void wm_page_buffer_clear(struct wm_page_buffer *b)
{
    free(b->text);
    *b = (struct wm_page_buffer){ 0 };
}

static void append_base64(struct wm_page_buffer *to, const struct wm_page_buffer *from)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)from->text;
    if (!has_room(to, 4 * ((from->bytes + 2) / 3)))
        return;
    char *out = to->text + to->bytes;
    for (size_t i = 0; i < from->bytes; i += 3) {
        size_t left = from->bytes - i;
        unsigned three = in[i] << 16 | (left > 1 ? in[i + 1] : 0) << 8 | (left > 2 ? in[i + 2] : 0);
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[three & 63] : '=';
    }
    to->bytes = (size_t)(out - to->text);
}

/* The members of `packed` are those of a gzip file, which browsers unpack themselves. */
static int compress_text(const struct wm_page_buffer *plain, struct wm_page_buffer *packed, struct wm_err *err)
{
    enum { WINDOW_BITS = 15, AS_GZIP = 16, MEMORY = 8 };
    z_stream z = { 0 };
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + AS_GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return wm_fail(err, WM_ENOMEM, "deflateInit2", 0, "compress the page's data");
    size_t most = deflateBound(&z, plain->bytes);
    int rc = WM_OK;
    if (has_room(packed, most)) {
        z.next_in = (Bytef *)plain->text;
        z.avail_in = (uInt)plain->bytes;
        z.next_out = (Bytef *)packed->text;
        z.avail_out = (uInt)most;
        if (deflate(&z, Z_FINISH) != Z_STREAM_END)
            rc = wm_fail(err, WM_EBUG, "deflate", 0, "compress the page's data");
        packed->bytes = z.total_out;
    }
    deflateEnd(&z);
    return rc;
}

int wm_page_append_packed(struct wm_page_buffer *to, const struct wm_page_buffer *plain, struct wm_err *err)
{
    struct wm_page_buffer packed = { 0 };
    int rc = compress_text(plain, &packed, err);
    if (rc == WM_OK)
        append_base64(to, &packed);
    if (rc == WM_OK && (plain->lost || packed.lost || to->lost))
        rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "the page's data");
    wm_page_buffer_clear(&packed);
    return rc;
}
