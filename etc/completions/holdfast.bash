# bash completion of holdfast; install as share/bash-completion/completions/holdfast
# shellcheck shell=bash

_holdfast_config() { # the configuration file that the words typed so far choose
    local i config=${HOLDFAST_CONFIG:-/etc/holdfast/holdfast.ini}
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config) config=${COMP_WORDS[i + 1]} ;;
        esac
    done
    printf '%s' "$config"
}

_holdfast_databases() { sed -n 's/^[[:blank:]]*\[database:\([^]]*\)\].*/\1/p' "$(_holdfast_config)" 2>/dev/null; }

_holdfast() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands='create list download restore verify repair diff prune pin unpin run agent exec status health doctor version help' command='' i
    local settings='--store --endpoint --region --addressing --access-key-id
        --secret-access-key-file --session-token-file --profile --dualstack --fips --ca-file
        --client-cert --client-key --client-key-password-file --proxy-file --sse --sse-kms-key-id --sse-customer-key-file --storage-class --tags --requester-pays --attempts --deadline --upload-concurrency --download-concurrency --stall-timeout --object-lock --object-lock-days --limit-upload --limit-download --state-dir
        --spool-dir --log --workers --final-backup --stop-timeout --jitter --wait-lock --listen --metrics-file --schedule --timezone --max-age --threads --compression --part-size --busy-timeout --full-every --stores --shrink-guard --keep-last --keep-hourly
        --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --prune-grace --max-unused --hook-before --hook-after --hook-timeout
        --ping-url-file --webhook-url-file --webhook-on --notify-ca-file
        --verify-cron --verify-dir'
    local common='--config --json --help' own=''

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ " $commands " == *" ${COMP_WORDS[i]} "* ]] && command=${COMP_WORDS[i]} && break
    done
    case $prev in
    -o | --output | --seed | -c | --config | --ca-file | --client-cert | --client-key | --client-key-password-file | --sse-customer-key-file | --proxy-file | --metrics-file | --secret-access-key-file | --session-token-file | \
        --ping-url-file | --webhook-url-file | --notify-ca-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --state-dir | --spool-dir | --verify-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --final-backup)
        mapfile -t COMPREPLY < <(compgen -W 'no yes' -- "$cur")
        return
        ;;
    --webhook-on)
        mapfile -t COMPREPLY < <(compgen -W 'failure always' -- "$cur")
        return
        ;;
    --shrink-guard)
        mapfile -t COMPREPLY < <(compgen -W 'warn fail off' -- "$cur")
        return
        ;;
    --log)
        mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$cur")
        return
        ;;
    --dualstack | --fips)
        mapfile -t COMPREPLY < <(compgen -W 'no yes' -- "$cur")
        return
        ;;
    --addressing)
        mapfile -t COMPREPLY < <(compgen -W 'auto path virtual' -- "$cur")
        return
        ;;
    --sse)
        mapfile -t COMPREPLY < <(compgen -W 'none AES256 aws:kms' -- "$cur")
        return
        ;;
    --requester-pays)
        mapfile -t COMPREPLY < <(compgen -W 'no yes' -- "$cur")
        return
        ;;
    --object-lock)
        mapfile -t COMPREPLY < <(compgen -W 'none governance compliance' -- "$cur")
        return
        ;;
    --object-lock-days | --sse-kms-key-id | --storage-class | --tags | --store | --endpoint | --region | --access-key-id | --profile | --attempts | --deadline | --upload-concurrency | --download-concurrency | --stall-timeout | --threads | \
        --compression | --part-size | --busy-timeout | --label | --name | --at | --as-of | --limit | --limit-upload | --limit-download | \
        --sample | --full-every | --stores | --keep-* | --prune-grace | --max-unused | --hook-* | --verify-cron | --workers | --stop-timeout | --wait-lock | \
        --jitter | --listen | --schedule | --timezone | --max-age)
        return
        ;;
    esac
    case $command in
    create) own='--label --force --full --prune --name --adopt --dry-run' ;;
    list) own='--as-of --name' ;;
    download) own='--as-of --output --force --seed --name --dry-run' ;;
    restore) own='--at --as-of --undo --output --swap --no-undo --if-missing --name --adopt --yes --dry-run' ;;
    verify) own='--as-of --read --sample --restore --name' ;;
    prune) own='--name --dry-run' ;;
    repair) own='--from-packs --name --dry-run' ;;
    pin | unpin) own='--name' ;;
    run) own='--all' ;;
    doctor) own='--quick-check' ;;
    exec) own='--no-restore' ;;
    diff) own='--as-of --rows --limit --pages --name' ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$own $common $settings" -- "$cur")
    elif [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_holdfast_databases) latest" -- "$cur"; compgen -f -- "$cur")
    fi
}

complete -o filenames -F _holdfast holdfast
