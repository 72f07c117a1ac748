"""Words before a number that say what it is: a phone's, or another one's."""

from __future__ import annotations

import re

_PHONES = """
tel telephone telefon fon phone cellphone mobile mobiltelefon mobil handy cell fax
telefax whatsapp hotline rufnummer durchwahl mob ph call dial sms natel gsm tlf tél
téléphone télécopie portable teléfono telefono telefone móvil celular cellulare тел
телефон факс моб
"""
_CHINESE_PHONES = """
电话 電話 手机 手機 传真 傳真 致电 热线 熱線 联系方式 携帯 전화 휴대폰 팩스
"""
# What is said by itself, as in "RFC 2616".
_NAMES = """
az aktz gz chiffre rechnung auftrag beleg lieferschein vorgang akte gutschrift mahnung
postleitzahl plz postfach blz kto konto
ref reference case docket file invoice receipt part serial model item article catalog
ticket batch lot patent license licence registration account acct routing policy member
customer tracking product stock sort postal post barcode passport
rfc bug issue cve cwe revision commit changeset uid uuid guid gid oid msgid imei imsi
iccid awb waybill rma pnr pin puk
issn ismn ean upc gtin asin doi pmid oclc lccn sku nsn cas sn iban bic swift vat ein
tin ssn vol bd p pp page pages seite seiten
"""
# What is said with a word such as "number": by itself it may be who is called (Bill,
# Art, Rev. Case) or what for (booking).
_NUMBERED = """
application asset award badge bill booking box bus card certificate chassis claim client
confirmation consignment contract credit cust delivery dept device doc document
employee engine entry event flight form gate grant inv inventory insurance job loan
meter order package parcel patient payment permit po project protocol purchase quote
record request reservation room sample seat service-request shipment shipping staff
student supplier tax train transaction unit user vendor voucher
angebot art artikel ausweis best bestellung charge fall flug gerät gläubiger haus kd
kunde kunden linie los mandat mitglied modell paket pass police projekt re register
rg sendung steuer teil typ versicherung vertrag vers zimmer zug zähler
"""
_NUMBER = (
    r"(?:(?:no|num|number|nr|nummer|code|id|key|numéro|número|kennung|zeichen)"
    r"(?:s|n|rn)?(?![^\W\d_])|[#№])"
)
# Whose numbers people call, though they are called numbers as others are.
_CALLED = (
    r"(?:(?:tel(?!l)|ruf|notruf|anruf|mob|info|privat|büro|zentral|sammel|sms|gratis)"
    r"|\w*(?:telef|fon(?!d)|fax|handy|durchwahl|kurzwahl|netz|hotline|kontakt|servi"
    r"|notfall|anschlu|whatsapp|natel|beratung|hilfe))"
)
_CHINESE_NAMES = """
单号 單號 编号 編號 卡号 卡號 案号 案號 货号 貨號 批号 批號 序号 序號 序列号 合同号
发票号 學號 学号 工号 证号 證號 流水号 票号 文号 书号 刊号 型号 户号 会员号 客户号
税号 条码 条形码 代码 识别码 验证码 邮编 郵編 邮政编码 身份证 订单 訂單 发票 工单
备案号 银行账号 银行帐号 銀行帳號 对公账号 收款账号 QQ QQ号
"""


def _one_of(words: str) -> str:
    return "|".join(map(re.escape, sorted(words.lower().split(), reverse=True)))


# Of small letters: alternatives without a case are searched several times faster.
_IS_PHONE = re.compile(
    rf"(?:(?<![^\W\d_])(?:{_one_of(_PHONES)})|{_one_of(_CHINESE_PHONES)})"
    r"(?:[^0-9\w\n|]{0,3}(?:number|nummer|no|nr|is|(?:us |me )?(?:at|on)"
    r"|numéro|número|numero|номер|号码|號碼|号|號|番号|번호))?"
    r"[^0-9\w\n|]{0,4}\Z"
)
_IS_OTHER = re.compile(
    rf"(?:(?<![^\W\d_])(?:(?:{_one_of(_NAMES)}|(?<!to )order|zip(?:\+4)?"
    r"|isbn(?:[ \-]?1[03])?|[sp]/n|a/c|p\.? ?o\.? ?box|hr[ab]"
    rf"|(?:{_one_of(_NUMBERED)})(?=[^\w\n]{{0,3}}(?:mit der |with )?{_NUMBER}))"
    rf"(?:[^\w\n]{{0,3}}(?:mit der |with )?{_NUMBER})?"
    r"|(?<!caller )(?<!caller-)ids?"
    # German, Dutch and others make one word of it, or shorten what precedes
    rf"|(?!{_CALLED})(?:[^\W\d_]{{2,}}[.\-]{{0,2}}|[^\W\d_]{{1,6}}\. )"
    r"(?:nummern?|nrn?)(?![^\W\d_])"
    rf"|(?!{_CALLED})[^\W\d_]{{2,}}-?(?:zeichen|kennung|kennziffer)"
    r"|eur|euro|usd|gbp|chf|cny|rmb|jpy)|[€$£¥]"
    rf"|(?:{_one_of(_CHINESE_NAMES)})(?:号码|號碼|码|碼|号|號)?)"
    r"(?:[^\w\n]{0,2}(?:is|was|ist|war|lautet|为|為|是))?"
    r"[^0-9\w\n?!]{0,4}\Z"
)
_WITH_ID = re.compile(r"[a-zäöüß]ID[^0-9\w\n?!]{0,4}\Z")
_AFTER_WORD = re.compile(r"[^\W\d_][^0-9\w\n|]{0,4}\Z")


def announces_phone(before: str) -> bool:
    """Whether a text ends with a word that says that a phone's number follows.

    >>> announces_phone("Tel.: "), announces_phone("Invoice ")
    (True, False)
    """
    near = max(len(before) - 6, 0)
    return bool(_AFTER_WORD.search(before, near) and _IS_PHONE.search(before.lower()))


def announces_other(before: str) -> bool:
    """Whether a text ends with a word that says that another number follows.

    >>> [
    ...     announces_other(x)
    ...     for x in ("Rechnung Nr. ", "KundenID: ", "RFC ", "订单号：")
    ... ]
    [True, True, True, True]
    >>> [announces_other(x) for x in ("Tel.-Nr. ", "my number is ", "Caller ID: ")]
    [False, False, False]
    """
    return bool(_IS_OTHER.search(before.lower()) or _WITH_ID.search(before))
