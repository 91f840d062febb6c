/*
 * json_line.h - writes one line of a history: a JSON object that begins with the time and the operation. A line goes out by one write() on a file that is opened for
 * appending, so that several threads and programs may write into one.
 */
#ifndef FAULTS_JSON_LINE_H
#define FAULTS_JSON_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. Its memory is kept from line to line until json_line_done(). */
struct json_line {
  char *bytes; /* owned, ended by NUL */
  size_t length;
  size_t capacity;
};

/* CLOCK_REALTIME in microseconds. */
int64_t json_line_clock_us(void);

/* Begins a new line: {"t":NOW,"op":"OP" */
void json_line_begin(struct json_line *line, const char *op);

/* A member, or within an array an element where `name` is NULL. What is not UTF-8, or holds NUL, is written as "hex:" and its bytes; `bytes` NULL is null. */
void json_line_text(struct json_line *line, const char *name, const void *bytes, size_t length);
void json_line_string(struct json_line *line, const char *name, const char *text);
void json_line_number(struct json_line *line, const char *name, int64_t number);

/* Bytes that are JSON already. */
void json_line_raw(struct json_line *line, const char *name, const char *json);

/* Bytes as they are, without comma and name. */
void json_line_append(struct json_line *line, const char *text);

/* An array or an object within: `bracket` is [ or {, and on closing ] or }. */
void json_line_open(struct json_line *line, const char *name, char bracket);
void json_line_close(struct json_line *line, char bracket);

/* Closes the object and writes it. Ends the process when the file cannot be written: a history with holes proves nothing. */
void json_line_write(struct json_line *line, int file);

void json_line_done(struct json_line *line);

/* Opens a history's file for appending; "-" is standard output. Ends the process with 2 when it cannot. */
int json_line_open_file(const char *path);

#endif
