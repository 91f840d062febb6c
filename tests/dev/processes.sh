# shellcheck shell=bash
# processes.sh - starts processes, and ends those and no others; and what every script that runs something needs: its folder, waiting, ports, the revision.
#
# A process is known by its id and its start time together: ids are given out again, and a stale id must never end a stranger. Each start adds a line to
# "$RUN/processes":
#
#   NAME PID START-TIME SIGNAL        SIGNAL is what asks this program to end in an orderly way
#
# and what a process keeps outside of $RUN is named in "$RUN/folders", one absolute path a line. RUN is the folder of one run (a demo, a test run, a
# scenario); whoever sets it calls processes_stop_all in its EXIT trap.

# Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and parentheses, so the line is read from behind the last one. Empty: no such process.
process_started() {
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  line=${line##*) }
  # shellcheck disable=SC2086
  set -- $line
  [ "$1" = Z ] || echo "${20}"
}

# process_is_alive PID START-TIME
process_is_alive() {
  [ -n "$2" ] && [ "$(process_started "$1")" = "$2" ]
}

# process_spawn NAME SIGNAL COMMAND...: starts it in a session of its own, so that Ctrl-C reaches us alone, and sets process_pid. Its words go to
# "$RUN/NAME.log"; its input is $PROCESS_INPUT (opened for reading and writing, so that a named pipe stays open), or nothing.
process_spawn() {
  local name=$1 signal=$2
  shift 2
  if [ -n "${PROCESS_INPUT:-}" ]; then
    setsid "$@" <>"$PROCESS_INPUT" >>"$RUN/$name.log" 2>&1 &
  else
    setsid "$@" </dev/null >>"$RUN/$name.log" 2>&1 &
  fi
  process_pid=$!
  printf '%s %s %s %s\n' "$name" "$process_pid" "$(process_started "$process_pid")" "$signal" >>"$RUN/processes"
}

# process_end PID START-TIME SIGNAL [SECONDS]: asks, waits, and kills what does not go. Returns 1 when it had to kill.
process_end() {
  local pid=$1 started=$2 signal=$3 seconds=${4:-20} deadline
  process_is_alive "$pid" "$started" || return 0
  kill -s "$signal" "$pid" 2>/dev/null || return 0
  deadline=$((SECONDS + seconds))
  while process_is_alive "$pid" "$started"; do
    if [ $SECONDS -gt $deadline ]; then
      kill -s KILL "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.02
  done
}

# process_stop NAME [SIGNAL [SECONDS]]: ends the newest process of that name; its line is removed.
process_stop() {
  local name pid started signal found='' rest=''
  [ -e "$RUN/processes" ] || return 0
  while read -r name pid started signal; do
    if [ "$name" = "$1" ]; then
      found="$pid $started ${2:-$signal}"
    else
      rest+="$name $pid $started $signal"$'\n'
    fi
  done <"$RUN/processes"
  printf '%s' "$rest" >"$RUN/processes"
  # shellcheck disable=SC2086
  [ -z "$found" ] || process_end $found "${3:-20}"
}

# process_pid_of NAME: prints the id of the newest process of that name that lives.
process_pid_of() {
  local name pid started signal found=''
  while read -r name pid started signal; do
    if [ "$name" = "$1" ] && process_is_alive "$pid" "$started"; then
      found=$pid
    fi
  done <"$RUN/processes"
  [ -n "$found" ] && echo "$found"
}

# Ends all that $RUN knows of, the newest first, and removes its folders outside of $RUN.
processes_stop_all() {
  local name pid started signal folder
  if [ -e "$RUN/processes" ]; then
    while read -r name pid started signal; do
      process_end "$pid" "$started" "$signal" || echo "dev: $name (process $pid) did not end when asked and was killed" >&2
    done < <(tac "$RUN/processes")
    rm -f "$RUN/processes"
  fi
  if [ -e "$RUN/folders" ]; then
    while read -r folder; do
      case $folder in
        /*/cdc-*) rm -rf -- "$folder" ;;
      esac
    done <"$RUN/folders"
    rm -f "$RUN/folders"
  fi
}

# run_new KIND: a new folder KIND.XXXXXX under build/run, or $RUN_FOLDERS, in RUN. Those of runs that were killed are cleared first: what they left running is ended.
run_new() {
  local old folder pid started folders=${RUN_FOLDERS:-$ROOT/build/run}
  mkdir -p "$folders"
  for old in "$folders/$1".??????; do
    if [ -e "$old/owner" ] && read -r pid started <"$old/owner" && ! process_is_alive "$pid" "$started"; then
      for folder in "$old" "$old"/*/; do # of a scenario and of a lane, too
        RUN=${folder%/} processes_stop_all
      done
      rm -rf -- "$old"
    fi
  done
  RUN=$(mktemp -d "$folders/$1.XXXXXX")
  echo "$$ $(process_started $$)" >"$RUN/owner"
}

# folder_new PREFIX: prints a new folder under the system's temporary folder that processes_stop_all removes.
folder_new() {
  local folder
  folder=$(mktemp -d "${TMPDIR:-/tmp}/cdc-$1.XXXXXX")
  echo "$folder" >>"$RUN/folders"
  echo "$folder"
}

# wait_until SECONDS COMMAND...: runs the command again and again until it succeeds. Returns 1, and says so, when the time is over.
wait_until() {
  local seconds=$1 deadline
  shift
  deadline=$((SECONDS + seconds + 1))
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      echo "waited $seconds s in vain for: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# port_is_free PORT: nobody answers on it.
port_is_free() {
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# port_new: prints a free loopback port below the range from which the kernel takes ports for outgoing connections. A port is given out once per run, and lanes
# that run side by side (lanes.sh) have a stretch of their own in PORT_FIRST and PORT_COUNT.
port_new() {
  local port try
  for try in {1..200}; do
    port=$((${PORT_FIRST:-15000} + (RANDOM * 32768 + RANDOM + try) % ${PORT_COUNT:-15000}))
    if ! grep -qsx "$port" "$RUN/ports" && port_is_free "$port"; then
      echo "$port" >>"$RUN/ports"
      echo "$port"
      return 0
    fi
  done
  echo "dev: found no free port" >&2
  return 1
}

# revision: of the sources, short; with a + where they have changes that are in no revision.
revision() {
  local short
  short=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null) || short=unknown
  [ -z "$(git -C "$ROOT" status --porcelain -uno -- CMakeLists.txt cdc-relay producers consumers sql tests 2>/dev/null)" ] || short+=+
  echo "$short"
}
