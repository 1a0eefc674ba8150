# Read first by every terminal of a notebook. The home folder is in memory and is lost at every stop; the work folder is kept,
# so a person's own settings are read from there.
[ -n "${PS1:-}" ] || return 0
shopt -s checkwinsize histappend
PS1='\u:\w\$ '
PROMPT_COMMAND='history -a'
alias ls='ls --color=auto' ll='ls -l'
[ -n "${PORTAL_WITHOUT_SETTINGS:-}" ] || [ ! -r "$NOTEBOOK_DIR/.bashrc" ] || . "$NOTEBOOK_DIR/.bashrc"
