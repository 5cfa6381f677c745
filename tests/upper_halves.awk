# upper_halves.awk - reads `objdump -d` of the library and finds every way out of a function (return, jump or call to
# another one) on which the upper halves of the vector registers may be dirty: each SSE instruction after that is slow on
# Intel's processors. Compilers put vzeroupper there, but not where the wide registers are written by inline assembly.
# The code is followed as it branches. What is called by, or called with, wide values (a helper that was not inlined) is
# no way out. Prints the places; exit status 1 where there are any.
function leave(a, where) { bad[where " at " a] = 1; found = 1 }
function follow(f, n,    i, top, at, d, next_d, op, arg, target, k) {
    delete seen; delete stack; top = 0; stack[++top] = 1 SUBSEP 0
    while (top > 0) {
        split(stack[top--], s, SUBSEP); at = s[1]; d = s[2]
        if (at > n || ((at, d) in seen)) continue
        seen[at, d] = 1
        op = operation[at]; arg = argument[at]
        if (op ~ /^vzero/) d = 0
        else if (arg ~ /%[yz]mm([0-9]|1[0-5])([^0-9]|$)/ && op !~ /^v(movntdq|movntps)$/) d = 1
        if (op ~ /^(repz )?ret/) { if (d) leave(address[at], f); continue }
        if (op ~ /^call/ || op ~ /^j/) {
            target = arg; sub(/ .*/, "", target)
            name = arg; sub(/^[^<]*</, "", name); sub(/>.*/, "", name)
            if (op ~ /^call/) { if (d && !(name in wide)) leave(address[at], f " calling " name) }
            else {
                if (target in index_of) stack[++top] = index_of[target] SUBSEP d
                else if (arg !~ /\*/ && d && !(name in wide)) leave(address[at], f " jumping to " name)
                if (op ~ /^jmp/) continue
            }
        }
        stack[++top] = (at + 1) SUBSEP d
    }
}
function finish() { if (pass == 2 && count) follow(current, count); count = 0; delete index_of }
FNR == 1 { finish(); pass++ }
/^[0-9a-f]+ <.*>:$/ { finish(); current = $2; gsub(/[<>:]/, "", current); next }
/^ +[0-9a-f]+:/ {
    a = $1; sub(/:/, "", a); line = $0; sub(/^ +[0-9a-f]+:[ \t]*/, "", line)
    op = line; sub(/[ \t].*/, "", op); arg = line; sub(/^[^ \t]+[ \t]*/, "", arg)
    if (op ~ /^(bnd|notrack|repz|data16|cs|lock)$/) { op = arg; sub(/[ \t].*/, "", op); sub(/^[^ \t]+[ \t]*/, "", arg) }
    if (pass == 1) {
        if (arg ~ /%[yz]mm/) wide[current] = 1
        next
    }
    operation[++count] = op; argument[count] = arg; address[count] = a; index_of[a] = count
}
END { finish(); for (b in bad) print b; exit found }
