# What a certificate of Fulcio says of who has signed: the issuer, a blank, and the identity. Input: the bytes of the certificate
# (DER) as numbers. It is read as it is encoded, not from a text that a name in it could forge.

# The element that begins at byte $i.
def element($bytes; $i):
  $bytes[$i + 1] as $n |
  if $n < 128 then {tag: $bytes[$i], from: ($i + 2), to: ($i + 2 + $n)}
  else (reduce $bytes[$i + 2 : $i + $n - 126][] as $byte (0; . * 256 + $byte)) as $length |
    {tag: $bytes[$i], from: ($i + $n - 126), to: ($i + $n - 126 + $length)}
  end;
def elements($bytes; $i; $to):
  if $i < $to then element($bytes; $i) | ., elements($bytes; .to; $to) else empty end;
def inside($bytes): elements($bytes; .from; .to);
def only: if length == 1 then .[0] else error("one of these is expected") end;
def text: if all(.[]; 32 < . and . < 127) then implode else error("this is no address") end;

. as $bytes |
(element($bytes; 0) | first(inside($bytes)) | inside($bytes) | select(.tag == 163) | inside($bytes) | [inside($bytes) |
  [inside($bytes)] | {oid: $bytes[.[0].from : .[0].to], value: $bytes[.[-1].from : .[-1].to]}]) as $extensions |
def values($oid): [$extensions[] | select(.oid == $oid).value];
# The names of the subject: there is one, an address of mail or of the web.
(values([85, 29, 17]) | only | . as $value | [element($value; 0) | inside($value)] | only |
  if .tag == 129 or .tag == 134 then $value[.from : .to] | text else error("this is no address") end) as $identity |
# Who has told Fulcio who that is: 1.3.6.1.4.1.57264.1.8, or the older .1.1, which is not encoded once more.
([43, 6, 1, 4, 1, 131, 191, 48, 1] as $fulcio | values($fulcio + [8]) as $new |
  if $new != [] then $new | only | . as $value | element($value; 0) | $value[.from : .to] else values($fulcio + [1]) | only end | text) as $issuer |
# It is for signing (1.3.6.1.5.5.7.3.3).
values([85, 29, 37]) | only | . as $value | [element($value; 0) | inside($value) | $value[.from : .to]] |
if any(. == [43, 6, 1, 5, 5, 7, 3, 3]) then "\($issuer) \($identity)" else error("this is not for signing") end
