/*
 * sql_text.h - SQL as text, with names and values quoted in one place. Pure.
 */
#ifndef STREAM_SQL_TEXT_H
#define STREAM_SQL_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include "verdict.h"

/* 'it''s', E'back\\slash'; not for replication commands, whose grammar knows no E''. malloc'ed, as all that follow; out of memory: abort. */
char *sql_literal(const char *text);
/* "quo""ted", always quoted. */
char *sql_identifier(const char *name);
/* "schema"."name" */
char *sql_table(const char *schema, const char *name);

/* A statement that is being put together. It stays where it is between open and close. */
struct sql_text {
  FILE *out;
  char *text;
  size_t size;
};

void sql_text_open(struct sql_text *sql);
void sql_text_put(struct sql_text *sql, const char *words); /* as they are */
void sql_text_put_format(struct sql_text *sql, const char *format, ...) PRINTF_LIKE(2, 3);
void sql_text_put_literal(struct sql_text *sql, const char *text);
void sql_text_put_identifier(struct sql_text *sql, const char *name);
void sql_text_put_table(struct sql_text *sql, const char *schema, const char *name);
/* The statement, the caller's. */
char *sql_text_close(struct sql_text *sql);

#endif
