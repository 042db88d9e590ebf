// SQLite in memory: inserts, indexes, updates, joins, aggregates, text.
#include "sqlite3.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_row(void *unused, int columns, char **values, char **names) {
  for (int i = 0; i < columns; i++) printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
  putchar('\n');
  return 0;
}

static void execute(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, print_row, NULL, &message) != SQLITE_OK) {
    printf("%s: %s\n", sql, message);
    exit(1);
  }
}

int main(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  execute(db, "create table people(id integer primary key, name text, town text, born integer)");
  execute(db, "create table visits(person integer, place text, minutes real)");
  const char *row = "insert into people(name, town, born) values (printf('name %d %s', ?1, hex(?1 * 7919)), 'town ' || (?1 % 97), 1900 + ?1 % 100)";
  const char *visit = "insert into visits values (?1 * 31 % 20000 + 1, 'place ' || (?1 * 17 % 311), ?1 % 600 / 10.0)";
  const char *statements[] = {row, visit};
  sqlite3_stmt *statement = NULL;
  for (int kind = 0; kind < 2; kind++) {
    for (int i = 1; i <= (kind ? 60000 : 20000); i++) {
      // Prepared anew every four rows, as programs without a cache of statements do: that is where SQLite allocates.
      if (i % 4 == 1 && sqlite3_prepare_v2(db, statements[kind], -1, &statement, NULL) != SQLITE_OK) return 2;
      sqlite3_bind_int(statement, 1, i);
      if (sqlite3_step(statement) != SQLITE_DONE) return 3;
      sqlite3_reset(statement);
      if (i % 4 == 0) sqlite3_finalize(statement);
    }
  }
  execute(db, "create index by_town on people(town, born)");
  execute(db, "create index by_person on visits(person)");
  execute(db, "select town, count(*), avg(born) from people group by town order by 2 desc, 1 limit 5");
  execute(db, "select p.name, sum(v.minutes) s from people p join visits v on v.person = p.id group by p.id order by s desc, 1 limit 5");
  execute(db, "update people set name = name || ' of ' || town where born % 3 = 0");
  execute(db, "delete from visits where rowid % 5 = 0");
  execute(db, "select place, group_concat(person) from (select * from visits order by place, person, minutes) group by place order by length(group_concat(person)) desc, 1 limit 1");
  execute(db, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) select sum(i), count(distinct i % 1009) from n");
  execute(db, "pragma integrity_check");
  return sqlite3_close(db);
}
