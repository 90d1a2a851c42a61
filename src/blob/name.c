/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/name.h"

#include "base/encode.h"
#include "base/utf8.h"

static const struct {
    const char *extension, *type;
} types[] = {
    /* Where a type has several extensions the usual one comes first. */
    { ".png", "image/png" },
    { ".jpg", "image/jpeg" },
    { ".jpeg", "image/jpeg" },
    { ".webp", "image/webp" },
    { ".gif", "image/gif" },
    { ".avif", "image/avif" },
    { ".bmp", "image/bmp" },
    { ".tiff", "image/tiff" },
    { ".tif", "image/tiff" },
    { ".svg", "image/svg+xml" },
    { ".mp3", "audio/mpeg" },
    { ".wav", "audio/wav" },
    { ".wav", "audio/x-wav" },
    { ".flac", "audio/flac" },
    { ".flac", "audio/x-flac" },
    { ".ogg", "audio/ogg" },
    { ".m4a", "audio/mp4" },
    { ".aac", "audio/aac" },
    { ".mid", "audio/midi" },
    { ".mp4", "video/mp4" },
    { ".webm", "video/webm" },
    { ".mov", "video/quicktime" },
    { ".mkv", "video/x-matroska" },
    { ".avi", "video/x-msvideo" },
    { ".txt", "text/plain" },
    { ".csv", "text/csv" },
    { ".html", "text/html" },
    { ".htm", "text/html" },
    { ".md", "text/markdown" },
    { ".srt", "application/x-subrip" },
    { ".vtt", "text/vtt" },
    { ".json", "application/json" },
    { ".jsonl", "application/jsonl" },
    { ".xml", "application/xml" },
    { ".pdf", "application/pdf" },
    { ".zip", "application/zip" },
    { ".tar", "application/x-tar" },
    { ".gz", "application/gzip" },
    { ".glb", "model/gltf-binary" },
    { ".gltf", "model/gltf+json" },
    { ".obj", "model/obj" },
    { ".ply", "model/ply" },
    { ".stl", "model/stl" },
};

static struct str without_parameters(struct str type)
{
    struct str rest = type, bare = STR_NULL;

    (void)str_split(&rest, ';', &bare);
    return str_trim(bare);
}

const char *type_extension(struct str content_type)
{
    struct str bare = without_parameters(content_type);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_ieq(bare, str_of(types[i].type)))
            return types[i].extension;
    return "";
}

const char *type_of_name(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        size_t n = strlen(types[i].extension);

        if (name.n > n && str_ieq(str_make(name.p + name.n - n, n), str_of(types[i].extension)))
            return types[i].type;
    }
    return NULL;
}

bool content_type_valid(struct str type)
{
    const char *slash = type.n ? memchr(type.p, '/', type.n) : NULL;

    if (!slash || slash == type.p || slash == type.p + type.n - 1 || type.n > 255)
        return false;
    for (size_t i = 0; i < type.n; i++)
        if ((unsigned char)type.p[i] < 0x20 || (unsigned char)type.p[i] > 0x7e)
            return false;
    return type.p[0] != ' ';
}

bool content_type_is_media(struct str type)
{
    struct str bare = without_parameters(type), major = STR_NULL;

    (void)str_split(&bare, '/', &major);
    return str_ieq(major, STR("image")) || str_ieq(major, STR("audio")) ||
           str_ieq(major, STR("video"));
}

void file_name_clean(struct str given, const char *otherwise, struct buf *out)
{
    struct str s = given;

    buf_clear(out);
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == '/' || s.p[i - 1] == '\\') {
            s = str_make(s.p + i, s.n - i);
            break;
        }
    }
    for (size_t i = 0; i < s.n && out->n < FILE_NAME_MAX;) {
        size_t n = utf8_char(s.p + i, s.n - i, NULL);
        unsigned char c = (unsigned char)s.p[i];

        if (out->n + n > FILE_NAME_MAX)
            break;
        if (n == 0 || c < 0x20 || c == 0x7f)
            buf_addc(out, '_');
        else
            buf_add(out, s.p + i, n);
        i += MAX(n, 1U);
    }
    if (out->n == 0 || str_is(buf_str(out), ".") || str_is(buf_str(out), "..")) {
        buf_clear(out);
        buf_adds(out, otherwise);
    }
}

bool data_uri_split(struct str uri, struct data_uri *out)
{
    static const char base64[] = ";base64";
    const char *comma = NULL;

    if (uri.n < 5 || !str_ieq(str_make(uri.p, 5), STR("data:")))
        return false;
    comma = memchr(uri.p, ',', uri.n);
    if (!comma)
        return false;
    out->type = str_trim(str_make(uri.p + 5, (size_t)(comma - uri.p) - 5));
    out->payload = str_make(comma + 1, uri.n - (size_t)(comma + 1 - uri.p));
    out->is_base64 =
        out->type.n >= sizeof(base64) - 1 &&
        str_ieq(str_make(out->type.p + out->type.n - (sizeof(base64) - 1), sizeof(base64) - 1),
                str_of(base64));
    if (out->is_base64)
        out->type.n -= sizeof(base64) - 1;
    if (!content_type_valid(out->type))
        out->type = STR("text/plain;charset=US-ASCII");
    return true;
}

/* Unlike the strict one of a path: here a zero byte is a byte. */
static bool decode_percent(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];

        if (s.p[i] == '%') {
            if (s.n - i < 3 || !hex_decode(str_make(s.p + i + 1, 2), &byte, 1))
                return false;
            i += 2;
        }
        if (!buf_addc(out, (char)byte))
            return false;
    }
    return true;
}

bool data_uri_decode(const struct data_uri *u, struct buf *out)
{
    struct buf plain CLEANUP(buf_deinit) = BUF_INIT(u->payload.n);

    if (!u->is_base64)
        return decode_percent(u->payload, out);
    if (!u->payload.n || !memchr(u->payload.p, '%', u->payload.n))
        return base64_decode(u->payload, out);
    return decode_percent(u->payload, &plain) && base64_decode(buf_str(&plain), out);
}

/* The alphabet of ids: 52 characters are the 256 bits of the MAC, and four zeros. */
static void spell(const unsigned char mac[SHA256_SIZE], char out[SIGNATURE_LEN + 1])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

    for (size_t i = 0; i < SIGNATURE_LEN; i++) {
        unsigned value = 0;

        for (size_t bit = i * 5; bit < i * 5 + 5; bit++)
            value = value << 1 |
                    (bit / 8 < SHA256_SIZE ? (unsigned)(mac[bit / 8] >> (7 - bit % 8)) & 1U : 0U);
        out[i] = letters[value];
    }
    out[SIGNATURE_LEN] = '\0';
}

void url_sign(struct str key, const char *purpose, const char *subject, char out[SIGNATURE_LEN + 1])
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    unsigned char mac[SHA256_SIZE];

    buf_addf(&text, "%s\n%s", purpose, subject);
    hmac_sha256(key, buf_str(&text), mac);
    spell(mac, out);
}

bool url_signature_ok(struct str key, const char *purpose, const char *subject, struct str given)
{
    char right[SIGNATURE_LEN + 1];

    url_sign(key, purpose, subject, right);
    return given.n == SIGNATURE_LEN && bytes_equal_constant_time(given.p, right, SIGNATURE_LEN);
}
