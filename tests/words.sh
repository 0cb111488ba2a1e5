#!/usr/bin/env bash
# Fails if a file uses a term that this project has replaced. Prints each use as FILE:LINE:TEXT.
# tests/words-allowed.txt lists the exceptions.
#
# Usage: tests/words.sh        (or make words)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

readonly files=(
  '*.rs' '*.md' '*.tf' '*.hcl' '*.sh' '*.py' '*Makefile' '*Dockerfile' '*.toml' '*.yaml' '.ci/*'
  ':!tests/words.sh'
)

# Perl-compatible patterns, each with the term to use instead. `(?<![a-z])` instead of `\b` also finds
# the term in snake case.
readonly replaced=(
  # Errors and retries
  '(?i)hopeless'                                  # permanent
  '\bOutlook::'                                   # Retryability::
  '\bmay_pass\b'                                  # is_retryable
  '\bNoted\b'                                     # LoggedRetryPolicy
  '(?i)(?<![a-z])put[ _]off(?![a-z])'             # delivery failed, will be retried
  # Deliveries
  '\bNotLetIn\b|\bTryLater\b'                     # Unauthorized, Retry
  '\blet_in\b'                                    # authenticate
  '\bBegun\b'                                     # Claim
  '(?i)turned a delivery away'                    # rejected unauthenticated delivery
  '(?i)\btwice is once\b'                         # idempotent
  '(?i)(?<![a-z])set[ _]aside(?![a-z])'           # offload, offloaded
  '(?i)(?<![a-z])put[ _]back(?![a-z])'            # republish
  '(?i)(?<![a-z])set[ _]back(?![a-z])'            # seek
  # Models and data
  '(?i)crown|coronation'                          # promote, promotion
  '(?i)(?<![a-z])former(?![a-z])'                 # previous, predecessor
  '\bweek_ago\b|(?i)count of a week earlier'      # seasonal naive
  '(?i)(?<![a-z])messes(?![a-z])'                 # dirty data
  '\bKeptDays\b'                                  # DayCache
  '\bPacked\b'                                    # DataSetDraft
  '(?i)(?<![a-z])anew(?![a-z])'                   # restart, start over
  # Services and tests
  '(?i)(?<![a-z])doors?(?![a-z])'                 # endpoint, ingress, request body limit
  '(?i)\bwho we are\b'                            # credentials
  '\bServed\b'                                    # ServingState
  '\bLane\b'                                      # SubscriptionWorker
  '\bWishes\b'                                    # Options
  '(?i)(bigquery|storage|test|http)[ _-]double'   # fake
  # Prose
  '(?i)is no JSON|is no name'                     # is not valid JSON, invalid name
  '(?i)\b(un|is_)sound\b|sound segments'          # invalid, valid
  '(?i)(?<![a-z])nonsense(?![a-z])'               # invalid, inconsistent
  '(?i)(?<![a-z])blanks(?![a-z])'                 # whitespace
  '(?i)the body broke off'                        # connection closed while reading the body
  '(?i)cannot be had'                             # cannot fetch, is not available
  '(?i)does not answer as it should'              # unexpected response
  '(?i)(?<![a-z])whoever(?![a-z])'                # the concrete noun
  '(?i)\bsuch as are\b'                           # the concrete noun
  '(?i)\btells whether\b'                         # returns `true` if
)
# Say `dead letter`. For a character, say `ASCII alphanumeric` or `character`.
readonly letter='(?i)(?<![a-z])(?<!dead[ _-])letters?(?![a-z])'
# Doc comments start with a verb in the third person or with a noun.
readonly question='^\s*//[/!] (What|How|Which|Who|Whether)\b'

search() { # PATTERN...
  local options=() pattern
  for pattern in "$@"; do options+=(-e "$pattern"); done
  git grep -nIP --untracked "${options[@]}" -- "${files[@]}" || [ $? = 1 ]
}

previous_line_matches() { # FILE LINE PATTERN
  [ "$2" -gt 1 ] && sed -n "$(($2 - 1))p" "$1" | grep -qP "$3"
}

allowed() { # FILE TEXT
  local entry path text rest
  while IFS= read -r entry; do
    [[ $entry == '' || $entry == '#'* ]] && continue
    path=${entry%% | *} rest=${entry#* | }
    text=${rest%% | *}
    # shellcheck disable=SC2053  # The path is a glob.
    [[ $1 == $path && $2 == *"$text"* ]] && return
  done <tests/words-allowed.txt
  return 1
}

hits() {
  local file line text
  search "${replaced[@]}"
  search "$letter" | while IFS=: read -r file line text; do
    # A line break may separate `dead` and `letter`.
    if grep -qiP '^\W*letter' <<<"$text" && previous_line_matches "$file" "$line" '(?i)\bdead$'; then continue; fi
    printf '%s:%s:%s\n' "$file" "$line" "$text"
  done
  search "$question" | while IFS=: read -r file line text; do
    # Only the first line of a doc comment counts.
    if previous_line_matches "$file" "$line" '^\s*//[/!]'; then continue; fi
    printf '%s:%s:%s\n' "$file" "$line" "$text"
  done
}

found=0
all=$(hits | sort --unique --field-separator=: --key=1,1 --key=2,2n)
while IFS=: read -r file line text; do
  if [ -z "$file" ] || allowed "$file" "$text"; then continue; fi
  printf '%s:%s:%s\n' "$file" "$line" "$text"
  found=1
done <<<"$all"
[ "$found" = 0 ] || { echo "words: replace these terms as tests/words.sh says" >&2; exit 1; }
echo "words: no replaced terms"
