/*
 * plot.c - an area of the highest number of unseen events in each column of pixels, so that no peak is lost between two of them; axes with round numbers; each fault a
 * bar over its whole time, at least a line, or where there are hundreds a column of its kind's colour; none for one that met nothing. Colours hold on white and on black.
 */
#include "plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"

enum { WIDTH = 960, HEIGHT = 380, LEFT = 76, RIGHT = 24, TOP = 58, BOTTOM = 84, COLUMNS = WIDTH - LEFT - RIGHT, KINDS_MAX = 8 };

/* From so many faults on they are columns of their kind, without a word for each: half a megabyte otherwise for an hour of them. */
enum { MANY_FAULTS = 300 };

struct plot {
  const struct history *history;
  FILE *file;
  int64_t from_us, to_us;
  double top; /* of the vertical axis */
  uint32_t kinds[KINDS_MAX];
  size_t kind_count;
};

static const char *const colours[KINDS_MAX] = {"#d62839", "#f4a261", "#7b2cbf", "#2a9d8f", "#bc6c25", "#e36bae", "#6c757d", "#588157"};

static void put_text(FILE *file, const char *text)
{
  for (; *text != '\0'; text++) {
    switch (*text) {
    case '&':
      (void)fputs("&amp;", file);
      break;
    case '<':
      (void)fputs("&lt;", file);
      break;
    case '>':
      (void)fputs("&gt;", file);
      break;
    default:
      (void)fputc(*text, file);
    }
  }
}

static double x_of(const struct plot *plot, int64_t us)
{
  double share = (double)(us - plot->from_us) / (double)(plot->to_us - plot->from_us);

  return LEFT + (share < 0 ? 0 : share > 1 ? 1 : share) * COLUMNS;
}

static double y_of(const struct plot *plot, double value)
{
  return HEIGHT - BOTTOM - value / plot->top * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that about `count` of them make `range`. */
static double round_step(double range, int count)
{
  double step = pow(10, floor(log10(range / count)));
  double times = range / count / step;

  return step * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* The highest number of unseen events in each column. Returns the highest of all. */
static int64_t columns_of(const struct history *history, const struct judgement *judgement, const struct plot *plot, int64_t ret_columns[COLUMNS])
{
  size_t count;
  struct step *steps = figures_steps(history, judgement, &count);
  int64_t unseen = 0, highest = 0;
  int reached = 0;

  memset(ret_columns, 0, COLUMNS * sizeof(ret_columns[0]));
  for (size_t i = 0; i <= count; i++) {
    int column = i < count ? (int)(x_of(plot, steps[i].us) - LEFT) : COLUMNS - 1;

    column = column >= COLUMNS ? COLUMNS - 1 : column;
    for (; reached < column; reached++) {
      ret_columns[reached + 1] = unseen;
    }
    unseen += i < count ? steps[i].change : 0;
    ret_columns[column] = unseen > ret_columns[column] ? unseen : ret_columns[column];
    highest = unseen > highest ? unseen : highest;
  }
  free(steps);
  return highest;
}

static size_t kind_index(struct plot *plot, uint32_t kind)
{
  size_t i = 0;

  while (i < plot->kind_count && plot->kinds[i] != kind) {
    i++;
  }
  if (i == plot->kind_count && i < KINDS_MAX) {
    plot->kinds[plot->kind_count++] = kind;
  }
  return i < KINDS_MAX ? i : KINDS_MAX - 1;
}

static void draw_faults(struct plot *plot)
{
  const struct history *history = plot->history;

  for (size_t i = 0; i < history->fault_count; i++) {
    const struct fault *fault = &history->faults[i];
    double x = x_of(plot, fault->begin_us), width = x_of(plot, fault->end_us) - x;
    const char *colour;

    if (fault->is_missed) {
      continue;
    }
    colour = colours[kind_index(plot, fault->kind)];
    (void)fprintf(plot->file, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\" fill-opacity=\"%s\"><title>", x, TOP,
                  width < 1.2 ? 1.2 : width, HEIGHT - TOP - BOTTOM, colour,
                  width >= 2                  ? "0.28"
                  : history->fault_count > 60 ? "0.35"
                                              : "0.7");
    put_text(plot->file, names_text(&history->names, fault->kind));
    (void)fprintf(plot->file, ", %.2f s to %.2f s</title></rect>\n", (double)(fault->begin_us - plot->from_us) / 1e6,
                  (double)(fault->end_us - plot->from_us) / 1e6);
  }
}

static void draw_many_faults(struct plot *plot)
{
  const struct history *history = plot->history;
  bool is_struck[KINDS_MAX][COLUMNS + 1] = {{false}};

  for (size_t i = 0; i < history->fault_count; i++) {
    const struct fault *fault = &history->faults[i];
    int last = (int)x_of(plot, fault->end_us) - LEFT;
    size_t kind;

    if (fault->is_missed) {
      continue;
    }
    kind = kind_index(plot, fault->kind);
    for (int column = (int)x_of(plot, fault->begin_us) - LEFT; column <= last; column++) {
      is_struck[kind][column] = true;
    }
  }
  for (size_t kind = 0; kind < plot->kind_count; kind++) {
    (void)fprintf(plot->file, "<path stroke=\"%s\" stroke-opacity=\"0.35\" d=\"", colours[kind]);
    for (int column = 0; column <= COLUMNS; column++) {
      if (is_struck[kind][column]) {
        (void)fprintf(plot->file, "M%d.5 %dv%d", LEFT + column, TOP, HEIGHT - TOP - BOTTOM);
      }
    }
    (void)fputs("\"/>\n", plot->file);
  }
}

static void draw_axes(const struct plot *plot)
{
  double seconds = (double)(plot->to_us - plot->from_us) / 1e6, step = round_step(seconds, 8);

  for (int i = 0; i * step <= seconds; i++) {
    double at = i * step;
    double x = x_of(plot, plot->from_us + (int64_t)(at * 1e6));

    (void)fprintf(plot->file, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" class=\"grid\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                  x, TOP, x, HEIGHT - BOTTOM + 5, x, HEIGHT - BOTTOM + 19, at);
  }
  step = round_step(plot->top, 5);
  step = step < 1 ? 1 : step;
  for (int i = 0; i * step <= plot->top * (1 + 1e-9); i++) {
    double at = i * step;

    (void)fprintf(plot->file, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
                  LEFT - 5, y_of(plot, at), WIDTH - RIGHT, y_of(plot, at), LEFT - 9, y_of(plot, at) + 4, at);
  }
  (void)fprintf(plot->file,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">time, s</text>\n"
                "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">events unseen</text>\n",
                LEFT + COLUMNS / 2, HEIGHT - BOTTOM + 38, TOP + (HEIGHT - TOP - BOTTOM) / 2);
}

static void draw_area(const struct plot *plot, const int64_t columns[COLUMNS])
{
  (void)fprintf(plot->file, "<path class=\"area\" d=\"M%d %.1f", LEFT, y_of(plot, 0));
  for (int i = 0; i < COLUMNS; i++) {
    if (i == 0 || columns[i] != columns[i - 1]) {
      (void)fprintf(plot->file, "H%dV%.1f", LEFT + i, y_of(plot, (double)columns[i]));
    }
  }
  (void)fprintf(plot->file, "H%dV%.1fZ\"/>\n", LEFT + COLUMNS, y_of(plot, 0));
}

static void draw_legend(const struct plot *plot)
{
  double x = LEFT;

  (void)fprintf(plot->file,
                "<rect x=\"%.0f\" y=\"%d\" width=\"12\" height=\"12\" class=\"area\"/><text x=\"%.0f\" y=\"%d\">committed, not in Kafka yet</text>\n", x,
                HEIGHT - 28, x + 17, HEIGHT - 18);
  x += 206;
  for (size_t i = 0; i < plot->kind_count; i++) {
    const char *kind = names_text(&plot->history->names, plot->kinds[i]);

    (void)fprintf(plot->file, "<rect x=\"%.0f\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\" fill-opacity=\"0.7\"/><text x=\"%.0f\" y=\"%d\">", x,
                  HEIGHT - 28, colours[i], x + 17, HEIGHT - 18);
    put_text(plot->file, kind);
    (void)fputs("</text>\n", plot->file);
    x += 32 + 7.2 * (double)strlen(kind);
  }
}

void plot_unseen(const struct history *history, const struct judgement *judgement, const char *title, FILE *file)
{
  struct plot plot = {.history = history,
                      .file = file,
                      .from_us = history->first_us,
                      .to_us = history->last_us > history->first_us ? history->last_us : history->first_us + 1000000};
  int64_t columns[COLUMNS], highest;

  highest = columns_of(history, judgement, &plot, columns);
  plot.top = round_step(highest > 0 ? (double)highest : 1, 5);
  plot.top = ceil((highest > 0 ? (double)highest : 1) / plot.top) * plot.top;
  (void)fprintf(file,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n"
                "<style>text{font:12px system-ui,sans-serif;fill:#444}.title{font-size:16px;font-weight:600;fill:#222}.grid{stroke:#888;stroke-opacity:.25}"
                ".area{fill:#2f6fb0;fill-opacity:.75;stroke:#1d4e80;stroke-width:.6}.paper{fill:#fff}"
                "@media(prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#eee}.paper{fill:#16181c}.area{fill:#5b9bd8;stroke:#8fc1f0}}</style>\n"
                "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n<text class=\"title\" x=\"%d\" y=\"26\">",
                WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
  put_text(file, title);
  (void)fprintf(file, "</text>\n<text x=\"%d\" y=\"45\">%zu events, %zu faults, at most %" PRId64 " events unseen at once, %" PRId64 " repeated</text>\n", LEFT,
                history->row_count, history->fault_count - history->missed_count, highest, judgement->repetition_count);
  draw_axes(&plot);
  (history->fault_count < MANY_FAULTS ? draw_faults : draw_many_faults)(&plot);
  draw_area(&plot, columns);
  draw_legend(&plot);
  (void)fputs("</svg>\n", file);
}
