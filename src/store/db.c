/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

struct db_value db_text(struct str s)
{
    if (!s.p)
        return (struct db_value){ .type = DB_NULL };
    return (struct db_value){ .type = DB_TEXT, .s = s };
}

struct db_value db_blob(struct str s)
{
    if (!s.p)
        return (struct db_value){ .type = DB_NULL };
    return (struct db_value){ .type = DB_BLOB, .s = s };
}
