#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/sql2c: parameters, fragments, quotes, and what it refuses.
set -eu

sql2c=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "sql2c_test: $1" >&2
    exit 1
}

run() { # MODE FILE...
    mode=$1
    shift
    awk -f "$sql2c" -v mode="$mode" "$@"
}

expect() { # TEXT IN-FILE
    grep -qF -- "$1" "$2" || { cat "$2" >&2; fail "expected: $1"; }
}

cat >"$dir/good.sql" <<'SQL'
-- {columns}
a, b;

-- thing_get(id,
--           name)
-- A comment with :no parameter.
SELECT {columns}, ':quoted', "x\y", 1::text  -- said :at_the_end
  FROM thing
 WHERE id = :id AND (:name IS NULL OR name = :name);

-- thing_all()
SELECT {columns} FROM thing;
SQL
run header "$dir/good.sql" >"$dir/good.h"
run source "$dir/good.sql" >"$dir/good.c"
expect 'enum { SQL_STATEMENTS = 2 };' "$dir/good.h"
expect '    SQL_THING_GET_ID,' "$dir/good.h"
expect '    SQL_THING_GET_NAME,' "$dir/good.h"
expect '    SQL_THING_GET_PARAMS' "$dir/good.h"
expect '    SQL_THING_ALL_PARAMS' "$dir/good.h"
expect "\"SELECT a, b, ':quoted', \\\"x\\\\y\\\", 1::text\\n\"" "$dir/good.c"
expect '"WHERE id = ?1 AND (?2 IS NULL OR name = ?2)"' "$dir/good.c"
run source -v dialect=postgres "$dir/good.sql" >"$dir/postgres.c"
expect '"WHERE id = $1 AND ($2 IS NULL OR name = $2)"' "$dir/postgres.c"

refuse() { # EXPECTED-MESSAGE; the file is standard input
    cat >"$dir/bad.sql"
    if run source "$dir/bad.sql" >/dev/null 2>"$dir/message"; then
        fail "accepted what it should refuse: $1"
    fi
    expect "$1" "$dir/message"
}

echo '-- x(a)
SELECT :b, :a;' | refuse 'parameter :b is not in the head'
echo '-- x(a, b)
SELECT :a;' | refuse 'parameter b is not used'
echo '-- x(a, a)
SELECT :a;' | refuse 'a second parameter a'
echo '-- x()
SELECT 1;
-- x()
SELECT 2;' | refuse 'a second statement x'
echo '-- x()
SELECT {none};' | refuse 'no fragment {none}'
echo 'SELECT 1;' | refuse 'text outside of a named statement'
echo '-- x()
SELECT 1' | refuse 'the last statement has no end'

mkdir "$dir/m"
printf 'CREATE TABLE a (\n  x TEXT -- "quoted"\n);\n' >"$dir/m/0001_first.sql"
printf 'DROP TABLE a;\n' >"$dir/m/0002_second.sql"
run migrations "$dir/m/0001_first.sql" "$dir/m/0002_second.sql" >"$dir/m.c"
expect '{ .name = "0002_second.sql", .text =' "$dir/m.c"
expect '"  x TEXT -- \"quoted\"\n"' "$dir/m.c"
expect 'const int sql_n_migrations = 2;' "$dir/m.c"
if run migrations "$dir/m/0002_second.sql" >/dev/null 2>"$dir/message"; then
    fail "accepted a gap in the migrations"
fi
expect 'without a gap' "$dir/message"
