# plot.awk - horizontal bars, grouped, with a line from the smallest to the largest value: one SVG out of lines
#
#   GROUP TAB SERIES TAB MEDIAN TAB SMALLEST TAB LARGEST
#
# awk -F '\t' -v title='…' -v unit='events/s' -f plot.awk. Groups and series keep the order of their first line. Plain SVG, no style sheet, one colour per series.

function escape(text) {
  gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
  return text
}

function number(value) {
  if (value >= 10000) { return sprintf("%.0f k", value / 1000) }
  if (value >= 1000) { return sprintf("%.1f k", value / 1000) }
  return value >= 100 ? sprintf("%.0f", value) : value >= 10 ? sprintf("%.1f", value) : sprintf("%.2f", value)
}

# 1, 2 or 5 times a power of ten, about a fifth of the largest value.
function step_of(largest,    step) {
  step = 10 ^ int(log(largest / 5) / log(10) + (largest < 5 ? -1 : 0))
  return largest / step > 25 ? step * 5 : largest / step > 10 ? step * 2 : step
}

{
  if (!($1 in group_at)) { group_at[$1] = ++groups; group[groups] = $1 }
  if (!($2 in series_at)) { series_at[$2] = ++all_series; series[all_series] = $2 }
  median[$1, $2] = $3; smallest[$1, $2] = $4; largest[$1, $2] = $5
  bars[$1]++
  if ($5 > top) { top = $5 }
}

END {
  if (groups == 0 || top <= 0) { exit }
  split("#1f6feb #57606a #bf8700 #8250df #cf222e #1a7f37 #0550ae #953800", colour, " ")
  left = 210; plot = 560; bar = 15; gap = 12; y = 74
  for (g = 1; g <= groups; g++) { rows += bars[group[g]] }
  height = y + rows * bar + groups * gap + 34
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", left + plot + 90, height, left + plot + 90, height
  printf "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n<text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">%s</text>\n", escape(title)
  x = 12
  for (s = 1; s <= all_series; s++) {
    printf "<rect x=\"%d\" y=\"38\" width=\"11\" height=\"11\" fill=\"%s\"/><text x=\"%d\" y=\"48\">%s</text>\n", x, colour[s], x + 16, escape(series[s])
    x += 34 + 7 * length(series[s])
  }
  step = step_of(top)
  for (value = 0; value <= top; value += step) {
    x = left + value / top * plot
    printf "<line x1=\"%.1f\" y1=\"60\" x2=\"%.1f\" y2=\"%d\" stroke=\"#d0d7de\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#57606a\">%s</text>\n", x, x, height - 28, x, height - 12, value == 0 ? "0" : number(value)
  }
  printf "<text x=\"%d\" y=\"%d\" fill=\"#57606a\">%s</text>\n", left + plot + 24, height - 12, escape(unit)
  for (g = 1; g <= groups; g++) {
    name = group[g]
    printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left - 10, y + bars[name] * bar / 2 + 4, escape(name)
    for (s = 1; s <= all_series; s++) {
      if (!((name, series[s]) in median)) { continue }
      m = median[name, series[s]]; a = smallest[name, series[s]]; b = largest[name, series[s]]
      printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, y, m / top * plot, bar - 3, colour[s]
      if (b > a) { printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#24292f\"/>\n", left + a / top * plot, y + bar / 2 - 1.5, left + b / top * plot, y + bar / 2 - 1.5 }
      printf "<text x=\"%.1f\" y=\"%d\">%s</text>\n", left + b / top * plot + 5, y + bar - 5, number(m)
      y += bar
    }
    y += gap
  }
  print "</svg>"
}
