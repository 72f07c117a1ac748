"""Words that name groups of people, in English, German and Chinese.

A short list to begin with, by the groups of Dixon et al., 2018, "Measuring and
mitigating unintended bias in text classification": words that mean little else, so that
"black" is there as "black people" alone. `corpus report --terms` takes others in their
place.
"""

from __future__ import annotations

# Language -> group -> entries, divided by commas.
IDENTITY = {
    "en": {
        "women": "woman, women, girl, girls, lady, ladies, female, females",
        "men": "man, men, boy, boys, gentleman, gentlemen, male, males",
        "gay and lesbian people": "gay, gays, lesbian, lesbians, homosexual, "
        "homosexuals, bisexual, bisexuals, queer, lgbt, lgbtq",
        "trans people": "transgender, transsexual, trans woman, trans women, "
        "trans man, trans men, trans people, nonbinary, non binary",
        "Christians": "christian, christians, catholic, catholics, protestant, "
        "protestants",
        "Muslims": "muslim, muslims, moslem, moslems",
        "Jews": "jew, jews, jewish",
        "Hindus, Buddhists, Sikhs": "hindu, hindus, buddhist, buddhists, sikh, sikhs",
        "atheists": "atheist, atheists",
        "Black people": "black people, black person, black man, black men, "
        "black woman, black women, blacks, african american, african americans",
        "white people": "white people, white person, white man, white men, "
        "white woman, white women, caucasian, caucasians",
        "Asian people": "asian people, asian, asians, asian american, asian americans",
        "Hispanic people": "hispanic, hispanics, latino, latinos, latina, latinas",
        "Arabs": "arab, arabs, middle eastern",
        "Roma": "roma people, romani, gypsy, gypsies",
        "migrants and refugees": "migrant, migrants, immigrant, immigrants, refugee, "
        "refugees, asylum seeker, asylum seekers",
        "disabled people": "disabled people, disabled person, "
        "people with disabilities, wheelchair user, wheelchair users, "
        "blind people, deaf people, autistic",
        "old people": "old people, older people, old man, old woman, elderly, "
        "senior citizen, senior citizens, pensioner, pensioners",
        "young people": "young people, young man, young woman, teenager, teenagers, "
        "children, child",
    },
    "de": {
        "women": "frau, frauen, mädchen, dame, damen, weiblich, weibliche, weiblichen",
        "men": "mann, männer, männern, mannes, junge, jungen, herr, herren, männlich, "
        "männliche, männlichen",
        "gay and lesbian people": "schwul, schwule, schwulen, schwuler, lesbe, lesben, "
        "lesbisch, lesbische, lesbischen, homosexuell, homosexuelle, homosexuellen, "
        "bisexuell, bisexuelle, bisexuellen, queer, lgbt, lgbtq",
        "trans people": "transgender, transsexuell, transsexuelle, transsexuellen, "
        "transfrau, transfrauen, transmann, transmänner, nichtbinär",
        "Christians": "christ, christen, christin, christinnen, christlich, "
        "christliche, christlichen, katholik, katholiken, protestant, protestanten",
        "Muslims": "muslim, muslime, muslimen, muslima, muslimin, muslimisch, "
        "muslimische, muslimischen, moslem, moslems",
        "Jews": "jude, juden, jüdin, jüdinnen, jüdisch, jüdische, jüdischen, jüdischer",
        "Hindus, Buddhists, Sikhs": "hindu, hindus, buddhist, buddhisten, sikh, sikhs",
        "atheists": "atheist, atheisten, atheistin, atheistinnen",
        "Black people": "schwarze menschen, schwarze frau, schwarze frauen, "
        "schwarzer mann, schwarze männer, afroamerikaner, afrodeutsche",
        "white people": "weiße menschen, weiße frau, weiße frauen, weißer mann, "
        "weiße männer",
        "Asian people": "asiate, asiaten, asiatin, asiatinnen",
        "Hispanic people": "latino, latinos, latina, latinas",
        "Arabs": "araber, arabern, araberin, araberinnen",
        "Roma": "sinti und roma, roma, romni, zigeuner",
        "migrants and refugees": "migrant, migranten, migrantin, migrantinnen, "
        "einwanderer, einwanderern, flüchtling, flüchtlinge, flüchtlingen, "
        "geflüchtete, geflüchteten, asylbewerber, asylbewerbern",
        "disabled people": "behinderte, behinderten, behinderter, "
        "menschen mit behinderung, menschen mit behinderungen, rollstuhlfahrer, "
        "gehörlose, gehörlosen",
        "old people": "alte menschen, alten menschen, ältere menschen, "
        "älteren menschen, senioren, seniorinnen, rentner, rentnerin, rentnern",
        "young people": "junge menschen, jungen menschen, jugendliche, jugendlichen, "
        "kind, kinder, kindern",
    },
    "zh": {
        "women": "女人, 女性, 妇女, 女子, 女孩, 女生, 女士",
        "men": "男人, 男性, 男子, 男孩, 男生, 先生",
        "gay and lesbian people": "同性恋, 女同性恋, 男同性恋, 双性恋, 同志群体",
        "trans people": "跨性别, 变性人",
        "Christians": "基督徒, 基督教徒, 天主教徒, 新教徒",
        "Muslims": "穆斯林, 回教徒",
        "Jews": "犹太人, 犹太教徒",
        "Hindus, Buddhists, Sikhs": "印度教徒, 佛教徒, 锡克教徒",
        "atheists": "无神论者",
        "Black people": "黑人, 非裔",
        "white people": "白人",
        "Asian people": "亚裔, 亚洲人",
        "Hispanic people": "拉美裔, 拉丁裔",
        "Arabs": "阿拉伯人",
        "Roma": "罗姆人, 吉普赛人",
        "migrants and refugees": "移民, 难民, 农民工, 寻求庇护者",
        "disabled people": "残疾人, 残障人士, 盲人, 聋人",
        "old people": "老人, 老年人, 长者",
        "young people": "年轻人, 青少年, 儿童, 孩子",
    },
}
