/* plot.h - draws the events committed and not yet seen in Kafka over time, with the faults as bars, as an SVG that stands alone. */
#ifndef FAULTS_PLOT_H
#define FAULTS_PLOT_H

#include <stdio.h>

#include "history.h"
#include "judge.h"

void plot_unseen(const struct history *history, const struct judgement *judgement, const char *title, FILE *file);

#endif
