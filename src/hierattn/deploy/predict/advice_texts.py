"""Every word that a patient reads, in one table keyed by language: English, Portuguese (of Brazil) and Chinese.

Three rules hold for all of them, and tests watch over the first two: every key is there in every language; none says
that anything is well, harmless or nothing to worry about, because a photograph cannot show that; and each advice says
what to do next. Lines of a ``.next`` text are separate steps.

PAD-UFES-20's phone photographs come from Brazil, hence Portuguese; the authors are from Hong Kong, hence Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping

from hierattn.errors import UsageError
from hierattn.taxonomy.built_in import BUILT_IN
from hierattn.taxonomy.records import LesionClass

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "level.see_soon.title": "See a doctor soon",
        "level.see_soon.next": (
            "Make an appointment with a dermatologist or your family doctor now, and show them the spot itself.\n"
            "Do not wait for it to change. If it bleeds, hurts or grows quickly, say so when you call.\n"
            "Do not treat, cut or cover it with make-up before it has been seen."
        ),
        "level.have_checked.title": "Have it checked",
        "level.have_checked.next": (
            "Show the spot to a doctor within the next weeks.\n"
            "Go sooner if it changes in size, shape or colour, or if it bleeds, itches or hurts.\n"
            "Keep this photo, with the date, to compare."
        ),
        "level.watch.title": "Keep an eye on it",
        "level.watch.next": (
            "Take the same photo again in a month, with a ruler beside the spot, and compare.\n"
            "See a doctor if it is uneven in shape, border or colour, wider than 6 mm, new, changing, or unlike your "
            "other spots; if it bleeds, itches or hurts; or if it is a sore that has not closed after 4 weeks.\n"
            "If you are worried, have it checked now: this result is no reason to wait."
        ),
        "level.retake.title": "This photo cannot be judged: take it again",
        "level.retake.next": (
            "Use daylight, wipe the lens, hold still about 10 cm away, and let the spot fill the middle of the photo.\n"
            "If no better photo works, or if you are worried, show the spot to a doctor. Do not wait for a photo."
        ),
        "why.risk_above": (
            "The lesion types that need a doctor's eye add up to {risk}, which reaches this model's limit, {threshold}."
        ),
        "why.risk_below": (
            "The lesion types that need a doctor's eye add up to {risk}, under this model's limit of {threshold}."
        ),
        "why.paper_above": "One of the lesion types that need a doctor's eye has more than 50 %.",
        "why.paper_below": (
            "None of the lesion types that need a doctor's eye has more than 50 % alone. Together they may."
        ),
        "why.uncalibrated": (
            "The lesion types that need a doctor's eye add up to {risk}, but this model was never calibrated: "
            "its percentages cannot justify waiting."
        ),
        "why.unfit": "The photo does not show enough to assess.",
        "limits.general": (
            "This is a computer's guess from one photo. It can miss a cancer. It does not know you, your history or "
            "how the skin feels."
        ),
        "limits.answered": (
            "This is a computer's guess from one photo and your answers. It can miss a cancer. It has not examined "
            "you, and knows of you only what you answered."
        ),
        "limits.measured": (
            "In a test on {images} photos that it had never seen, this limit caught {sensitivity} ({low} to {high}) of "
            "the lesions that need a doctor's eye. It can still miss one."
        ),
        "limits.unmeasured": "How many such lesions this rule misses was not measured on photos it had never seen.",
        "limits.uncalibrated": "This model has not been calibrated: read its percentages as a ranking, not as chances.",
        "limits.device": "Not a medical device.",
        "problem.small": "The photo is too small: use the original, not a thumbnail or a screenshot.",
        "problem.blurred": "The photo is blurred: tap on the spot to focus, and hold still.",
        "problem.flat": "The photo shows one even tone and no spot: move until the spot is in the middle.",
        "problem.dark": "The photo is too dark: use daylight or more light.",
        "problem.bright": "The photo is too bright: move out of direct sun, or switch the flash off.",
        "problem.glare": "There is glare: tilt the camera a little, or switch the flash off.",
        "problem.colour": "The colours do not look like skin: use a colour photo, without filter, in white light.",
        "problem.unlike": (
            "The photo is unlike those this model was trained on: show one spot on bare skin, from close by, with "
            "nothing else in view."
        ),
        "heading.class": "Lesion type",
        "heading.probability": "Probability",
        "heading.risk": "Needs a doctor's eye, together",
        "heading.rest": "{count} other types, together",
        "heading.photo_alone": "From the photo alone: {answer}",
        "heading.with_answers": "With your answers: {answer}",
        "note.answers_kept": "Your answers speak for less, but they never lower the advice that the photo alone gives.",
        "note.cropped": "The black surround was cut away.",
        "note.no_referral": (
            "No advice: nothing is said of which of this model's classes need a doctor. If you are worried, see one."
        ),
        "class.ACK": "actinic keratosis",
        "class.BCC": "basal cell carcinoma",
        "class.BKL": "benign keratosis",
        "class.DF": "dermatofibroma",
        "class.MEL": "melanoma",
        "class.NV": "melanocytic nevus (mole)",
        "class.SCC": "squamous cell carcinoma",
        "class.VASC": "vascular lesion",
        "class.AKIEC": "actinic keratosis or early squamous cell carcinoma",
        "class.NEV": "melanocytic nevus (mole)",
        "class.SEK": "seborrheic keratosis",
        "class.benign": "types counted as benign",
        "class.malignant": "skin cancer",
        "class.other": "types other than melanoma",
    },
    "pt": {
        "level.see_soon.title": "Procure um médico logo",
        "level.see_soon.next": (
            "Marque agora uma consulta com um dermatologista ou clínico geral e mostre a própria lesão.\n"
            "Não espere que ela mude. Se sangra, dói ou cresce depressa, diga isso ao marcar a consulta.\n"
            "Não trate, não corte e não cubra a lesão com maquiagem antes que ela seja examinada."
        ),
        "level.have_checked.title": "Peça uma avaliação",
        "level.have_checked.next": (
            "Mostre a lesão a um médico nas próximas semanas.\n"
            "Vá antes se ela mudar de tamanho, forma ou cor, ou se sangrar, coçar ou doer.\n"
            "Guarde esta foto, com a data, para comparar."
        ),
        "level.watch.title": "Continue observando",
        "level.watch.next": (
            "Tire a mesma foto daqui a um mês, com uma régua ao lado da lesão, e compare.\n"
            "Procure um médico se ela tiver forma, borda ou cor irregular, mais de 6 mm, se for nova, estiver mudando "
            "ou for diferente das suas outras manchas; se sangrar, coçar ou doer; ou se for uma ferida que não fechou "
            "em 4 semanas.\n"
            "Se estiver preocupado, peça uma avaliação já: este resultado não é motivo para esperar."
        ),
        "level.retake.title": "Não é possível avaliar esta foto: tire outra",
        "level.retake.next": (
            "Use luz do dia, limpe a lente, segure firme a cerca de 10 cm e deixe a lesão no meio da foto.\n"
            "Se nenhuma foto ficar melhor, ou se estiver preocupado, mostre a lesão a um médico. Não espere pela foto."
        ),
        "why.risk_above": (
            "Os tipos de lesão que um médico precisa ver somam {risk}, e o limite deste modelo é {threshold}."
        ),
        "why.risk_below": (
            "Os tipos de lesão que um médico precisa ver somam {risk}, abaixo do limite deste modelo, {threshold}."
        ),
        "why.paper_above": "Um dos tipos de lesão que um médico precisa ver tem mais de 50 %.",
        "why.paper_below": (
            "Nenhum dos tipos de lesão que um médico precisa ver tem, sozinho, mais de 50 %; juntos podem ter."
        ),
        "why.uncalibrated": (
            "Os tipos de lesão que um médico precisa ver somam {risk}, mas este modelo nunca foi calibrado: "
            "suas porcentagens não justificam esperar."
        ),
        "why.unfit": "A foto não mostra o suficiente.",
        "limits.general": (
            "É a estimativa de um computador a partir de uma só foto. Ele pode deixar passar um câncer e não conhece "
            "você, o seu histórico nem a textura da pele."
        ),
        "limits.answered": (
            "É a estimativa de um computador a partir de uma só foto e das suas respostas. Ele pode deixar passar um "
            "câncer, não examinou você e só sabe de você o que foi respondido."
        ),
        "limits.measured": (
            "Em um teste com {images} fotos que o modelo nunca tinha visto, este limite detectou {sensitivity} "
            "({low} a {high}) das lesões que um médico precisa ver. Ainda assim, pode deixar passar uma."
        ),
        "limits.unmeasured": "Não foi medido, em fotos nunca vistas, quantas dessas lesões esta regra deixa passar.",
        "limits.uncalibrated": (
            "Este modelo não foi calibrado: leia as porcentagens como uma ordenação, não como chances."
        ),
        "limits.device": "Não é um dispositivo médico.",
        "problem.small": "A foto é pequena demais: use a original, não uma miniatura nem uma captura de tela.",
        "problem.blurred": "A foto está desfocada: toque na lesão para focar e segure firme.",
        "problem.flat": "A foto mostra um só tom e nenhuma lesão: mova a câmera até que ela fique no meio.",
        "problem.dark": "A foto está escura demais: use luz do dia ou mais luz.",
        "problem.bright": "A foto está clara demais: saia do sol direto ou desligue o flash.",
        "problem.glare": "Há reflexos: incline um pouco a câmera ou desligue o flash.",
        "problem.colour": "As cores não parecem de pele: use uma foto colorida, sem filtro, com luz branca.",
        "problem.unlike": (
            "A foto é diferente daquelas com que este modelo foi treinado: mostre uma única lesão na pele nua, de "
            "perto, sem nada mais na imagem."
        ),
        "heading.class": "Tipo de lesão",
        "heading.probability": "Probabilidade",
        "heading.risk": "Um médico precisa ver, somados",
        "heading.rest": "Outros {count} tipos, em conjunto",
        "heading.photo_alone": "Só pela foto: {answer}",
        "heading.with_answers": "Com as suas respostas: {answer}",
        "note.answers_kept": "As suas respostas indicam menos, mas nunca rebaixam a orientação dada só pela foto.",
        "note.cropped": "A borda preta foi cortada.",
        "note.no_referral": (
            "Sem orientação: não foi dito quais classes deste modelo precisam de um médico. Se estiver preocupado, "
            "procure um."
        ),
        "class.ACK": "ceratose actínica",
        "class.BCC": "carcinoma basocelular",
        "class.BKL": "ceratose benigna",
        "class.DF": "dermatofibroma",
        "class.MEL": "melanoma",
        "class.NV": "nevo melanocítico (pinta)",
        "class.SCC": "carcinoma espinocelular",
        "class.VASC": "lesão vascular",
        "class.AKIEC": "ceratose actínica ou carcinoma espinocelular inicial",
        "class.NEV": "nevo melanocítico (pinta)",
        "class.SEK": "ceratose seborreica",
        "class.benign": "tipos contados como benignos",
        "class.malignant": "câncer de pele",
        "class.other": "tipos diferentes de melanoma",
    },
    "zh": {
        "level.see_soon.title": "请尽快就医",
        "level.see_soon.next": (
            "请现在就预约皮肤科医生或家庭医生，让医生直接查看该部位。\n"
            "不要等它变化。如果出血、疼痛或长得很快，预约时请说明。\n"
            "就诊前不要自行用药、切除或用化妆品遮盖。"
        ),
        "level.have_checked.title": "请让医生检查",
        "level.have_checked.next": (
            "请在未来几周内让医生查看该部位。\n"
            "如果大小、形状或颜色改变，或者出血、发痒、疼痛，请提前就诊。\n"
            "保留这张照片并记下日期，以便对比。"
        ),
        "level.watch.title": "请继续观察",
        "level.watch.next": (
            "一个月后在同一部位旁放一把尺子再拍一张，进行对比。\n"
            "如果形状、边缘或颜色不均匀，直径超过 6 毫米，是新出现的、正在变化的，或与其他痣不同；"
            "如果出血、发痒或疼痛；或者是 4 周仍未愈合的伤口，请就医。\n"
            "如果您担心，请现在就去检查：这个结果不是等待的理由。"
        ),
        "level.retake.title": "无法判断这张照片，请重拍",
        "level.retake.next": (
            "请在日光下拍摄，擦净镜头，距离约 10 厘米，拿稳手机，让该部位位于照片中央。\n"
            "如果拍不出更好的照片，或者您担心，请让医生查看。不要因为照片而等待。"
        ),
        "why.risk_above": "需要医生查看的几类病变合计为 {risk}，达到了本模型的界限 {threshold}。",
        "why.risk_below": "需要医生查看的几类病变合计为 {risk}，低于本模型的界限 {threshold}。",
        "why.paper_above": "需要医生查看的病变中有一类超过 50 %。",
        "why.paper_below": "需要医生查看的病变中没有任何一类单独超过 50 %，但合计可能超过。",
        "why.uncalibrated": "需要医生查看的几类病变合计为 {risk}，但本模型从未校准，其百分比不能作为等待的依据。",
        "why.unfit": "照片中的信息不足以判断。",
        "limits.general": "这只是计算机根据一张照片作出的推测。它可能漏掉癌症，也不了解您本人、您的病史或皮肤的触感。",
        "limits.answered": (
            "这只是计算机根据一张照片和您的回答作出的推测。它可能漏掉癌症，没有为您做检查，只知道您回答的内容。"
        ),
        "limits.measured": (
            "在 {images} 张模型从未见过的照片上测试，这一界限找出了 {sensitivity}（{low} 至 {high}）"
            "需要医生查看的病变，但仍可能漏掉。"
        ),
        "limits.unmeasured": "这一规则会漏掉多少此类病变，尚未在从未见过的照片上测量。",
        "limits.uncalibrated": "本模型未经校准：百分比只能看作排序，不是概率。",
        "limits.device": "这不是医疗器械。",
        "problem.small": "照片太小：请使用原图，不要用缩略图或截图。",
        "problem.blurred": "照片模糊：请点按该部位对焦，并拿稳手机。",
        "problem.flat": "照片只有一种色调，看不到病变：请移动镜头，让它位于中央。",
        "problem.dark": "照片太暗：请使用日光或增加照明。",
        "problem.bright": "照片太亮：请避开直射阳光，或关闭闪光灯。",
        "problem.glare": "照片有反光：请稍微倾斜相机，或关闭闪光灯。",
        "problem.colour": "颜色不像皮肤：请在白光下拍摄彩色照片，不要使用滤镜。",
        "problem.unlike": "这张照片与用于训练模型的照片不同：请近距离拍摄裸露皮肤上的一处皮损，画面中不要有其他物品。",
        "heading.class": "病变类型",
        "heading.probability": "概率",
        "heading.risk": "需要医生查看的合计",
        "heading.rest": "其他 {count} 种类型合计",
        "heading.photo_alone": "仅根据照片：{answer}",
        "heading.with_answers": "结合您的回答：{answer}",
        "note.answers_kept": "您的回答显示的风险较低，但回答从不会降低仅凭照片得出的建议级别。",
        "note.cropped": "已裁去黑色边框。",
        "note.no_referral": "没有建议：未说明本模型的哪些类别需要医生查看。如有担心，请就医。",
        "class.ACK": "光化性角化病",
        "class.BCC": "基底细胞癌",
        "class.BKL": "良性角化病",
        "class.DF": "皮肤纤维瘤",
        "class.MEL": "黑色素瘤",
        "class.NV": "黑色素细胞痣",
        "class.SCC": "鳞状细胞癌",
        "class.VASC": "血管性病变",
        "class.AKIEC": "光化性角化病或早期鳞状细胞癌",
        "class.NEV": "黑色素细胞痣",
        "class.SEK": "脂溢性角化病",
        "class.benign": "归为良性的类型",
        "class.malignant": "皮肤癌",
        "class.other": "黑色素瘤以外的类型",
    },
}
"""Language -> key -> text. Braces are filled in by :mod:`hierattn.deploy.predict.triage`."""


KNOWN: Mapping[str, str] = {each.code: each.name for taxonomy in BUILT_IN.values() for each in taxonomy.classes}
"""Code -> clinical name of the classes that have words of ours, ``class.CODE``: those of the built-in taxonomies."""


def class_name(each: LesionClass, language: str) -> str:
    """What a class is called in a language: our own words for one of a built-in taxonomy, else its own, or its name.

    Its own words count for ``zh`` where they are given for ``zh-Hans``; the web app follows the same rule.

    >>> from hierattn.taxonomy.built_in import EIGHT
    >>> own = LesionClass("PSO", "psoriasis", plain={"pt-BR": "placas que coçam"})
    >>> [class_name(each, "pt") for each in (EIGHT.by_code["MEL"], own)], class_name(own, "en")
    (['melanoma', 'placas que coçam'], 'psoriasis')
    """
    if KNOWN.get(each.code) == each.name:
        return language_texts(language)[f"class.{each.code}"]
    own = [each.plain[tag] for tag in sorted(each.plain) if tag.split("-")[0] == language]
    return each.plain.get(language, own[0] if own else each.name)


LANGUAGES: tuple[str, ...] = tuple(TEXTS)
"""``('en', 'pt', 'zh')``."""


def language_texts(language: str) -> Mapping[str, str]:
    """All texts of a language.

    Raises
    ------
    UsageError
        For a language that is not there.
    """
    if language not in TEXTS:
        raise UsageError(f"language {language!r}: wanted one of {', '.join(LANGUAGES)}")
    return TEXTS[language]
