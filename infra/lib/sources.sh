# shellcheck shell=bash
# The host's own apt sources, rewritten for the release that images are built from, so that builds use this machine's mirror.
# Both formats of apt are read. Archives other than Debian's (Docker's, NodeSource's …) are left out, because they may not
# have that release.

# debian_sources SUITE [ROOT]: prints deb822 stanzas for SUITE; fails if the host names no Debian mirror.
debian_sources() {
  local suite=$1 root=${2:-} codename out
  # shellcheck disable=SC1091
  codename=$(. "$root/etc/os-release" && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") || return 1
  [ -n "$codename" ] || return 1
  out=$(
    shopt -s nullglob
    for file in "$root"/etc/apt/sources.list.d/*.sources; do deb822_stanzas "$codename" "$suite" "$file"; done
    for file in "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*.list; do
      [ ! -r "$file" ] || one_line_stanzas "$codename" "$suite" "$file"
    done
  )
  [ -n "$out" ] && printf '%s\n' "$out"
}

# A stanza is Debian's if it has binary packages, the component main, suites of this release, and no key but Debian's.
deb822_stanzas() {
  awk -v RS= -F '\n' -v from="$1" -v to="$2" '
    {
      types = suites = components = enabled = signed = ""; text = ""; field = ""
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^#/) continue
        if ($i ~ /^[A-Za-z-]+:/) { field = tolower($i); sub(/:.*/, "", field); value = $i; sub(/^[^:]*:[ \t]*/, "", value) } else value = $i
        if (field == "types") types = types " " value " "
        if (field == "suites") { suites = suites " " value; continue }
        if (field == "components") { components = components " " value " "; continue }
        if (field == "enabled") enabled = tolower(value)
        if (field == "signed-by") signed = signed value
        if (field != "types") text = text $i "\n"
      }
      if (types !~ / deb / || components !~ / main / || enabled == "no") next
      if (signed != "" && signed !~ /debian-archive/) next
      n = split(suites, s, " "); mine = ""
      for (i = 1; i <= n; i++) if (s[i] == from || s[i] == from "-updates" || s[i] == from "-security") { sub(from, to, s[i]); mine = mine " " s[i] }
      if (mine != "") printf "Types: deb\n%sSuites:%s\nComponents: main\n\n", text, mine
    }' "$3"
}

# deb [signed-by=/path arch=amd64] http://mirror/debian bookworm main contrib
one_line_stanzas() {
  awk -v from="$1" -v to="$2" '
    $1 == "deb" {
      line = $0; signed = ""; sub(/#.*/, "", line)
      if (match(line, /\[[^]]*\]/)) {
        options = substr(line, RSTART + 1, RLENGTH - 2); line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
        n = split(options, o, " ")
        for (i = 1; i <= n; i++) if (o[i] ~ /^signed-by=/) signed = substr(o[i], 11)
      }
      n = split(line, w, " "); main = 0
      for (i = 4; i <= n; i++) if (w[i] == "main") main = 1
      if (signed != "" && signed !~ /debian-archive/) next
      if (!main || w[2] ~ /^cdrom:/ || (w[3] != from && w[3] != from "-updates" && w[3] != from "-security")) next
      sub(from, to, w[3])
      printf "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s\n", w[2], w[3], signed == "" ? "" : "Signed-By: " signed "\n"
    }' "$3"
}
